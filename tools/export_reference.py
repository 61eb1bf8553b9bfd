#!/usr/bin/env python3
"""Exports what the tests compare with, once, from the libraries that define it.

    python tools/export_reference.py model   -> tests/reference/tiny_bert/

`model` makes a seeded BERT (2 layers, 16 wide, 120 words; dropout 0) as a Hugging Face directory, puts a
Houlsby (size 6, swish) and a Pfeiffer (size 5, relu) adapter with a classification head of three labels
on it with AdapterHub, and writes houlsby.safetensors and pfeiffer.safetensors beside it:

    batch.<k>.ids, .types, .lengths, .labels   ten batches of four rows, ids padded with 0
    start.<key>      every adapter and head tensor before training, by AdapterHub's key
    logits, loss     of batch 0 with them
    gradient.<key>   of that loss
    losses           of ten AdamW steps: rate 1e-2, one step of warm-up, linear decay, gradients clipped
                     at norm 1, weight decay 0.01 on weights but not on biases
    end.<key>        every tensor after them

Needs a virtual environment with torch==2.15.0 adapters==1.3.0 transformers==4.57.6 safetensors. The
files are committed; running it again gives the same tensors on the same machine.
"""
import argparse
import json
import pathlib

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORDS = """the a an of to in is was it that this film book movie story good bad great awful fine dull
bright cat dog horse bird fish red green blue black white one two three four five six north south east
west rain snow wind sun moon star sea river hill house street door window table chair bread milk water
tea coffee apple plum pear run walk swim fly read write sing play love hate like miss very quite never
always often not and or but with for from by at on up down over who what where when why how many much
year day night time man woman child king queen ? ! . , ##s ##ing ##ed ##ly""".split()


def write_backbone(directory):
    import torch
    from transformers import BertConfig, BertModel

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] + WORDS
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32, max_position_embeddings=64, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, initializer_range=0.2)
    torch.manual_seed(7)
    model = BertModel(config)
    for name, tensor in model.named_parameters():  # not all ones and zeros, or mix-ups would go unseen
        if name.endswith("bias"):
            torch.nn.init.normal_(tensor, 0.0, 0.1)
        elif "LayerNorm" in name:
            torch.nn.init.normal_(tensor, 1.0, 0.2)
    model.save_pretrained(directory, safe_serialization=True)
    (directory / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    (directory / "tokenizer_config.json").write_text(json.dumps(
        {"do_lower_case": True, "model_max_length": 64, "tokenizer_class": "BertTokenizer"}) + "\n")


def make_batches(vocabulary_size):
    import torch

    generator = torch.Generator().manual_seed(11)
    batches = []
    for _ in range(10):
        lengths = torch.randint(3, 13, (4,), generator=generator)
        ids = torch.zeros(4, int(lengths.max()), dtype=torch.long)
        types = torch.zeros_like(ids)
        for row, length in enumerate(lengths.tolist()):
            ids[row, :length] = torch.randint(5, vocabulary_size, (length,), generator=generator)
            ids[row, 0], ids[row, length - 1] = 2, 3
            types[row, length // 2:length] = row % 2  # every other row is a pair
        labels = torch.randint(0, 3, (4,), generator=generator)
        batches.append({"ids": ids, "types": types, "lengths": lengths, "labels": labels})
    return batches


def train(model, batches, peak_rate):
    import torch

    named = {k: p for k, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW([
        {"params": [p for k, p in named.items() if not k.endswith("bias")], "weight_decay": 0.01},
        {"params": [p for k, p in named.items() if k.endswith("bias")], "weight_decay": 0.0}],
        lr=peak_rate, betas=(0.9, 0.999), eps=1e-8)
    total, warm_up = len(batches), 1
    losses = []
    for step, batch in enumerate(batches):
        factor = (step + 1) / (warm_up + 1) if step < warm_up else (total - step) / (total - warm_up)
        for group in optimizer.param_groups:
            group["lr"] = peak_rate * factor
        optimizer.zero_grad()
        loss = run(model, batch)[1]
        loss.backward()
        torch.nn.utils.clip_grad_norm_(list(named.values()), 1.0)
        optimizer.step()
        losses.append(loss.detach())
    return torch.stack(losses)


def run(model, batch):
    import torch

    mask = torch.arange(batch["ids"].shape[1])[None, :] < batch["lengths"][:, None]
    output = model(input_ids=batch["ids"], token_type_ids=batch["types"], attention_mask=mask.long())
    return output.logits, torch.nn.functional.cross_entropy(output.logits, batch["labels"])


def export_method(directory, method):
    import torch
    from adapters import BertAdapterModel, DoubleSeqBnConfig, SeqBnConfig
    from safetensors.torch import save_file

    torch.manual_seed(13)
    model = BertAdapterModel.from_pretrained(directory)
    config = (DoubleSeqBnConfig(reduction_factor=16 / 6.5) if method == "houlsby"
              else SeqBnConfig(reduction_factor=16 / 5.5))
    model.add_adapter("reference", config=config)
    model.add_classification_head("reference", num_labels=3)
    model.train_adapter("reference")
    trained = {k: p for k, p in model.named_parameters() if p.requires_grad}
    for tensor in trained.values():  # the usual start is so near zero that errors would go unseen
        torch.nn.init.normal_(tensor, 0.0, 0.2)
    model.train()

    batches = make_batches(model.config.vocab_size)
    tensors = {}
    for index, batch in enumerate(batches):
        for name, tensor in batch.items():
            tensors[f"batch.{index}.{name}"] = tensor.float()
    for key, tensor in trained.items():
        tensors[f"start.{key}"] = tensor.detach().clone()
    logits, loss = run(model, batches[0])
    loss.backward()
    tensors["logits"], tensors["loss"] = logits.detach(), loss.detach()
    for key, tensor in trained.items():
        tensors[f"gradient.{key}"] = tensor.grad.clone()
    tensors["losses"] = train(model, batches, 1e-2)
    for key, tensor in trained.items():
        tensors[f"end.{key}"] = tensor.detach().clone()
    save_file(tensors, directory / f"{method}.safetensors")
    print(f"{method}: loss {loss:.6f}, losses {[round(float(x), 4) for x in tensors['losses']]}")


def export_model():
    directory = ROOT / "tests/reference/tiny_bert"
    directory.mkdir(parents=True, exist_ok=True)
    write_backbone(directory)
    for method in ("houlsby", "pfeiffer"):
        export_method(directory, method)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["model"])
    parser.parse_args()
    export_model()


if __name__ == "__main__":
    main()
