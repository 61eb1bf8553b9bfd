"""One training run of a peer, in its own process: peer_training.py WORK.json (written by peers.py).

Prints a line RESULT {…} when trained and another when tested. Tokens are real ones: padding is not
counted. The clock runs from the end of the warm-up steps to the last step.
"""
import json
import pathlib
import sys
import time

import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, get_linear_schedule_with_warmup
from transformers.trainer_pt_utils import LengthGroupedSampler

WARM_UP = 3  # steps, never more than a fifth of the run; compilation happens in them


def read_rows(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def houlsby_parameters(config, size):
    """Weights and biases of two bottlenecks a layer."""
    return config.num_hidden_layers * 2 * (2 * config.hidden_size * size + config.hidden_size + size)


def adapterhub_model(work, classes):
    from adapters import AutoAdapterModel, DoubleSeqBnConfig

    model = AutoAdapterModel.from_pretrained(work["backbone"])
    hidden, size = model.config.hidden_size, work["size"]
    factor = hidden // size if hidden % size == 0 else hidden / (size + 0.5)
    model.add_adapter("bench", config=DoubleSeqBnConfig(reduction_factor=factor))
    model.add_classification_head("bench", num_labels=classes)
    model.train_adapter("bench")
    return model


def peft_model(work, classes):
    """LoRA on query and value, PEFT's own choice for BERT, of the rank whose number of trainable parameters
    is nearest to the Houlsby adapters'; pooler and classifier are trained, a head of two layers as the others'."""
    from peft import LoraConfig, TaskType, get_peft_model

    model = AutoModelForSequenceClassification.from_pretrained(work["backbone"], num_labels=classes)
    config = model.config
    each_rank = config.num_hidden_layers * 2 * 2 * config.hidden_size
    rank = max(1, round(houlsby_parameters(config, work["size"]) / each_rank))
    return get_peft_model(model, LoraConfig(
        task_type=TaskType.SEQ_CLS, r=rank, lora_alpha=rank, target_modules=["query", "value"],
        modules_to_save=["pooler", "classifier"]))


class Batches:
    """Padded batches of token ids, each with its rows' numbers: a tuple (inputs, chosen, tokens)."""

    def __init__(self, work, tokenizer, rows):
        self._encoded = tokenizer([row["text"] for row in rows], truncation=True,
                                  max_length=work["max_length"])["input_ids"]
        self._lengths = [len(ids) for ids in self._encoded]
        self._kind, self._size, self._pad = work["batches"], work["batch"], tokenizer.pad_token_id
        self._even = self._even_length() if self._kind == "even" else None

    def steps_of_epoch(self):
        rows = len(self._lengths)
        return rows // self._size if self._kind == "even" else -(-rows // self._size)

    def _even_length(self):
        """The length of which there are most tokens: its rows fill the one shape without padding."""
        return max(set(self._lengths), key=lambda length: length * self._lengths.count(length))

    def epoch(self, generator):
        rows = len(self._lengths)
        if self._kind == "grouped":  # as transformers' Trainer does with group_by_length
            order = list(LengthGroupedSampler(self._size, lengths=self._lengths, generator=generator))
        elif self._kind == "even":  # as many rows as the others have, by going round those of one length
            order = [row for row in range(rows) if self._lengths[row] == self._even]
            order = (order * (rows // len(order) + 1))[:rows // self._size * self._size]
        else:
            order = torch.randperm(rows, generator=generator).tolist()
        for begin in range(0, len(order), self._size):
            yield self._pad_rows(order[begin:begin + self._size])

    def _pad_rows(self, chosen):
        one_shape = self._kind in ("fixed", "even")
        if self._kind == "fixed":
            longest = max(self._lengths)
        else:
            longest = max(self._lengths[row] for row in chosen)
        height = self._size if one_shape else len(chosen)
        ids = torch.full((height, longest), self._pad)
        mask = torch.zeros((height, longest), dtype=torch.long)
        for place, row in enumerate(chosen):
            ids[place, :self._lengths[row]] = torch.tensor(self._encoded[row])
            mask[place, :self._lengths[row]] = 1
        tokens = int(mask.sum())
        mask[len(chosen):, 0] = 1  # rows that only fill the shape: softmax needs a token
        return {"input_ids": ids, "attention_mask": mask}, chosen, tokens


def train(work, model, batches, targets):
    torch.manual_seed(work["seed"])
    generator = torch.Generator().manual_seed(work["seed"])
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=work["rate"], weight_decay=0.0)
    steps = work["epochs"] * batches.steps_of_epoch()
    schedule = get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    warm_up = max(1, min(WARM_UP, steps // 5))
    call = torch.compile(model, dynamic=False) if work.get("compile") else model
    low = work["precision"] == "bf16"
    step = tokens = rows = all_tokens = 0
    begun = started = time.perf_counter()
    model.train()
    for _ in range(work["epochs"]):
        for inputs, chosen, real_tokens in batches.epoch(generator):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
                logits = call(**inputs).logits[:len(chosen)]
                loss = torch.nn.functional.cross_entropy(logits.float(), targets[chosen])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            schedule.step()
            step += 1
            all_tokens += real_tokens
            now = time.perf_counter()
            if step > warm_up:
                tokens, rows = tokens + real_tokens, rows + len(chosen)
                if now - started > work["seconds"]:
                    break
            else:
                started = now
                if now - begun > work["seconds"] and call is model:  # too slow to warm up further
                    warm_up = step
        else:
            continue
        break
    seconds = time.perf_counter() - started
    return {"tokens_per_second": tokens / seconds, "samples_per_second": rows / seconds, "steps": step,
            "cut": int(step < steps), "tokens": all_tokens, "seconds": seconds, "warm_up_seconds": started - begun,
            "trainable_parameters": sum(p.numel() for p in parameters), "accuracy": None}


def accuracy(work, model, tokenizer, labels):
    test = read_rows(work["test"])
    model.eval()
    hits = 0
    with torch.no_grad(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=work["precision"] == "bf16"):
        for begin in range(0, len(test), 64):
            rows = test[begin:begin + 64]
            inputs = tokenizer([row["text"] for row in rows], truncation=True, max_length=work["max_length"],
                               padding=True, return_tensors="pt")
            predicted = model(**inputs).logits.argmax(-1).tolist()
            hits += sum(labels[p] == row["label"] for p, row in zip(predicted, rows))
    return hits / len(test)


def main():
    work = json.loads(pathlib.Path(sys.argv[1]).read_text())
    torch.set_num_threads(work["threads"])
    torch.manual_seed(work["seed"])
    rows = read_rows(work["train"])
    labels = sorted({row["label"] for row in rows})
    tokenizer = AutoTokenizer.from_pretrained(work["backbone"])
    model = {"adapterhub": adapterhub_model, "peft": peft_model}[work["library"]](work, len(labels))
    targets = torch.tensor([labels.index(row["label"]) for row in rows])
    trained = train(work, model, Batches(work, tokenizer, rows), targets)
    print("RESULT", json.dumps(trained), flush=True)
    # Rows of one length only are not the task, and a cut run has not learned what the others have.
    if work["test"] and not trained["cut"] and work["batches"] != "even":
        print("RESULT", json.dumps({"accuracy": accuracy(work, model, tokenizer, labels)}), flush=True)


if __name__ == "__main__":
    main()
