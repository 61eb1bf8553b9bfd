"""The rooms of the project and what each may see: the one table. CONTRIBUTING.md shows it as `table()`
writes it, and test_includes.py holds the sources to it."""

# Room → rooms that its files may include and its library may link. Every room may see itself.
CONTRACT = ("trainer/contract", "trainer/durable")
ARROWS = {
    "trainer/durable": (),
    "trainer/contract": ("trainer/durable",),
    "trainer/text": CONTRACT,
    "trainer/model": ("trainer/text", *CONTRACT),
    "trainer/tasks": ("trainer/model", "trainer/text", *CONTRACT),
    "trainer/fast": ("trainer/tasks", "trainer/model", "trainer/text", *CONTRACT),
    "trainer/bundle": ("trainer/tasks", "trainer/model", "trainer/text", *CONTRACT),
    "trainer/training": ("trainer/bundle", "trainer/fast", "trainer/tasks", "trainer/model", "trainer/text", *CONTRACT),
    "trainer/serving": ("trainer/training", "trainer/bundle", "trainer/fast", "trainer/tasks", "trainer/model",
                        "trainer/text", *CONTRACT),
    "trainer": ("trainer/serving", "trainer/training", "trainer/bundle", "trainer/fast", "trainer/tasks",
                "trainer/model", "trainer/text", *CONTRACT),
    "storage": ("trainer/durable",),
    "scheduler": ("storage", *CONTRACT),
    "services/http": ("trainer/durable",),
    "services/wire": ("services/http", "storage", *CONTRACT),
    "services/routes": ("services", "services/wire", "services/http", "scheduler", "storage", *CONTRACT),
    "services": ("services/routes", "services/wire", "services/http", "scheduler", "storage", *CONTRACT),
}

# A foreign library's headers → where they may be included.
TORCH = ("trainer/model", "trainer/tasks", "trainer/fast", "trainer/training", "trainer/bundle", "trainer/serving",
         "trainer")
FOREIGN = {
    "sqlite3.h": ("storage",),
    "torch/": TORCH,
    "ATen/": TORCH,
    "c10/": TORCH,
    "boost/": ("services/http",),
    "nlohmann/": ("services/wire", "trainer/contract"),
    "unicode/": ("trainer/text",),
    "zip.h": ("trainer/bundle",),
    "openssl/": ("trainer/durable",),
    "CLI/": ("services", "trainer"),
}

# Readers of files that others write, which may therefore read JSON.
READERS_OF_FOREIGN_FILES = (
    "trainer/bundle/export_adapterhub.cpp",   # adapter_config.json and graft.json of a bundle
    "trainer/model/backbone.cpp",             # config.json
    "trainer/model/safetensors.cpp",          # the header of a container
    "trainer/text/dataset_jsonl.cpp",         # customers' rows
    "trainer/text/tokenizer_settings.cpp",    # tokenizer.json, tokenizer_config.json
)

# Arrows that still point the wrong way, file → what it sees. Only ever shorter: a line that is true no more fails.
KNOWN_WRONG: set[tuple[str, str]] = set()

# Names that say nothing of what is inside.
NAMELESS = ("util", "utils", "helper", "helpers", "common", "misc", "manager", "managers")

LINES = 400
# One body, compiled for each instruction set.
LONGER = {"trainer/fast/kernels/vector_kernels_body.h": 470}

BEGIN, END = "<!-- rooms: begin -->", "<!-- rooms: end -->"


def table():
    """The table as Markdown."""
    lines = ["| room | may see |", "|---|---|"]
    for room, seen in ARROWS.items():
        lines.append(f"| `{room}/` | {', '.join(f'`{other}/`' for other in seen) or 'nobody'} |")
    lines += ["", "| library | only in |", "|---|---|"]
    for header, rooms in FOREIGN.items():
        more = ", readers of foreign files" if header == "nlohmann/" else ""
        lines.append(f"| `{header}` | {', '.join(f'`{room}/`' for room in rooms)}{more} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
