"""The table and the plot of a comparison."""

DISTURBED = 0.2  # cores that others took; the watch itself takes a few hundredths


def processor():
    """Model name, and what decides the speed of its matrix products."""
    name, flags = "unknown", set()
    with open("/proc/cpuinfo") as file:
        for line in file:
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
            elif key.strip() == "flags":
                flags = set(value.split())
    abilities = [("AMX", "amx_bf16"), ("AVX512-BF16", "avx512_bf16"), ("AVX512", "avx512f"), ("AVX2", "avx2")]
    return f"{name} ({next((title for title, flag in abilities if flag in flags), 'no AVX2')})"


def settings(options):
    rows = f"{options.steps} steps" if options.steps else f"{options.epochs} epochs"
    return (f"{processor()}{', held to AVX2' if options.held_to_avx2 else ''}, {options.threads} threads; "
            f"{options.backbone.name}, Houlsby size {options.size}, batch {options.batch}, {rows}, "
            f"rate {options.rate}; medians of {options.rounds}")


def markdown(tables, options):
    """One table; `Graft is` compares with Graft's first row of the same data."""
    lines = [settings(options) + ".", "",
             "| data | program | tokens/s | samples/s | test accuracy | RSS MiB | USS MiB | private MiB "
             "| trained parameters | Graft is |", "|---|---|---|---|---|---|---|---|---|---|"]
    for data, results in tables.items():
        graft = next((result for title, result in results.items() if title.startswith("Graft")), None)
        for title, result in results.items():
            accuracy = f"{100 * result['accuracy']:.1f} %" if result["accuracy"] is not None else "–"
            cut = f" (cut after {result['steps']:.0f} steps)" if result["cut"] else ""
            ratio = f"{graft['tokens_per_second'] / result['tokens_per_second']:.2f}×" if graft else "–"
            lines.append(
                f"| {data} | {title}{cut} | {result['tokens_per_second']:,.0f} | {result['samples_per_second']:,.1f} "
                f"| {accuracy} | {result['peak_rss']:,.0f} | {result['peak_uss']:,.0f} "
                f"| {result['peak_private']:,.0f} | {result['trainable_parameters']:,.0f} | {ratio} |")
    disturbed = [f"{data}, {title} ({result['others']:.2f})" for data, results in tables.items()
                 for title, result in results.items() if result["others"] > DISTURBED]
    if disturbed:
        lines += ["", "Other programs ran meanwhile (cores they took): " + "; ".join(disturbed) + "."]
    return "\n".join(lines) + "\n"


def plot(tables, options, path):
    """Tokens a second and private memory of every program, a row of charts for each data set."""
    import matplotlib
    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    measures = [("tokens_per_second", "tokens a second"), ("peak_private", "peak private memory, MiB")]
    bars = max(len(results) for results in tables.values())
    figure, axes = plt.subplots(len(tables), 2, squeeze=False, figsize=(13, (0.45 * bars + 1) * len(tables) + 0.6))
    for line, (data, results) in zip(axes, tables.items()):
        colors = ["#2a7f62" if title.startswith("Graft") else "#9aa5b1" for title in results]
        for axis, (key, title) in zip(line, measures):
            drawn = axis.barh(list(results), [result[key] for result in results.values()], color=colors)
            axis.bar_label(drawn, fmt="{:,.0f}", padding=3)
            axis.invert_yaxis()
            axis.margins(x=0.15)
            axis.set_title(f"{data}: {title}")
            axis.spines[["top", "right"]].set_visible(False)
        line[1].set_yticklabels([])
    figure.suptitle(settings(options), fontsize=9)
    figure.tight_layout()
    figure.savefig(path)
