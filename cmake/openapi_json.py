#!/usr/bin/env python3
# openapi_json.py IN.yaml OUT.json: the document that people write as the JSON that programs read.
import json
import sys

import yaml

with open(sys.argv[1], encoding="utf-8") as source:
    document = yaml.safe_load(source)
with open(sys.argv[2], "w", encoding="utf-8") as target:
    # Dates stay the text they were written as.
    json.dump(document, target, ensure_ascii=False, separators=(",", ":"), default=str)
