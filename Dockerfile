# Graft as an image: graftd, graft-worker, LibTorch for CPUs, and the default backbone.
#   docker compose up --build
# Built where it will lie, so that graft-worker finds LibTorch by the path it was linked with.
FROM debian:12-slim AS build
WORKDIR /opt/graft
COPY tools tools
RUN tools/setup --run
COPY . .
RUN cmake --preset release \
 && cmake --build build/release --target graftd graft-worker \
 && strip build/release/graftd build/release/graft-worker

FROM debian:12-slim
# Debian 12 keeps these at one version for its lifetime, with security fixes, so they are not pinned further.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends libsqlite3-0 libspdlog1.10 libssl3 libicu72 libzip4 \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --system --gid 10001 graft \
 && useradd --system --uid 10001 --gid graft --home-dir /data --shell /usr/sbin/nologin graft \
 && install -d -o graft -g graft -m 700 /data
COPY --from=build /opt/graft/.deps/libtorch/lib /opt/graft/.deps/libtorch/lib
COPY --from=build /opt/graft/.deps/backbones/minilm /opt/graft/backbones/minilm
COPY --from=build /opt/graft/build/release/graftd /opt/graft/build/release/graft-worker /usr/local/bin/
USER 10001:10001
VOLUME /data
EXPOSE 8080
# Reachable from outside the container, so keys are required: docker compose exec graftd graftd keys create CUSTOMER
ENV GRAFT_DATA_DIR=/data \
    GRAFT_BACKBONE=minilm=/opt/graft/backbones/minilm \
    GRAFT_LISTEN=0.0.0.0:8080 \
    GRAFT_AUTH=required \
    GRAFT_LOG_FORMAT=json
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && grep -q '\"ok\"' <&3"]
ENTRYPOINT ["graftd"]
