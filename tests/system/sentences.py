"""Seeded template sentences with labels that a small encoder learns in seconds."""

import random

TOPICS = {
    "weather": ["rain over the hills", "a cold wind from the north", "heavy snow at night",
                "sunshine and a clear sky", "fog in the valley", "a thunderstorm with hail"],
    "sport": ["a goal in the last minute", "the tennis final", "a new marathon record",
              "the football coach resigned", "her team won the cup", "a swimming championship"],
    "food": ["a bowl of tomato soup", "fresh bread with butter", "the recipe for apple pie",
             "grilled fish and potatoes", "too much salt in the sauce", "a slice of cheese cake"],
}
MOODS = {
    "glad": ["I love it", "what a wonderful day", "this made me happy", "truly great work", "simply perfect"],
    "sad": ["I hate it", "what an awful day", "this made me cry", "truly poor work", "simply broken"],
}
KINDS = {
    "question": ["where is the station", "who wrote this book", "how much does it cost", "when do we leave"],
    "order": ["close the window", "send me the letter", "turn left at the corner", "bring two chairs"],
    "statement": ["the shop is closed", "my brother lives here", "we sold the car", "it is made of wood"],
}
PLACES = ["Lisbon", "Oslo", "Kyoto", "Lagos", "Quito", "Perth", "Turin", "Minsk", "Leeds", "Hanoi"]
FRAMES = ["{0}", "{0}, said {2} of {1}", "in {1} {0}", "note {3}: {0}", "{2} wrote from {1}: {0}", "{0} ({3})"]
NAMES = ["Ada", "Bruno", "Chen", "Dora", "Emil", "Farah", "Goran", "Hana"]


def sentences(labels, count, seed):
    """`count` different rows {"text", "label"}, labels in turn."""
    generator = random.Random(seed)
    rows, seen, names = [], set(), sorted(labels)
    while len(rows) < count:
        label = names[len(rows) % len(names)]
        text = generator.choice(FRAMES).format(generator.choice(labels[label]), generator.choice(PLACES),
                                               generator.choice(NAMES), generator.randrange(10000))
        if text not in seen:
            seen.add(text)
            rows.append({"text": text, "label": label})
        elif len(seen) > 50 and generator.random() < 0.5:
            rows.append({"text": f"{text} {len(rows)}", "label": label})
    return rows
