// How the page is built: plain static files, nothing inlined that a strict content policy would refuse.
// `npm run dev` serves it with live reload and hands API calls to a daemon on port 8080.
import { defineConfig } from "vite";

const daemon = "http://127.0.0.1:8080";

export default defineConfig({
  build: { emptyOutDir: true, assetsInlineLimit: 0, modulePreload: { polyfill: false }, reportCompressedSize: false },
  server: { proxy: { "/v1": daemon, "/healthz": daemon, "/readyz": daemon, "/openapi.json": daemon } },
});
