import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { nextDelay, Poller } from "../src/poll";
import { outdated, stamp } from "../src/versions";
import type { Task, Version } from "../src/api";

describe("the pace", () => {
  test("is a second while jobs run and slower while none does", () => {
    expect(nextDelay({ visible: true, active: true, failures: 0 })).toBe(1000);
    expect(nextDelay({ visible: true, active: false, failures: 0 })).toBe(2000);
  });
  test("grows while nobody answers, to ten seconds and no more", () => {
    const delays = [1, 2, 3, 4, 40].map((failures) => nextDelay({ visible: true, active: false, failures }));
    expect(delays).toEqual([4000, 8000, 10000, 10000, 10000]);
  });
  test("rests while the page is hidden", () => {
    expect(nextDelay({ visible: false, active: true, failures: 0 })).toBe(30000);
  });
});

describe("the poller", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("looks again after failures and goes back to its pace after an answer", async () => {
    let looks = 0;
    const poller = new Poller(async () => {
      looks += 1;
      if (looks === 1) throw new Error("down");
      return true;
    }, () => true);
    await poller.wake();
    await vi.advanceTimersByTimeAsync(3999);
    expect(looks).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(looks).toBe(2);
    await vi.advanceTimersByTimeAsync(1000);
    expect(looks).toBe(3);
    poller.stop();
    await vi.advanceTimersByTimeAsync(60000);
    expect(looks).toBe(3);
  });
  test("never runs two looks at once, and makes up for one that was asked for meanwhile", async () => {
    let running = 0;
    let most = 0;
    let looks = 0;
    const poller = new Poller(async () => {
      looks += 1;
      running += 1;
      most = Math.max(most, running);
      await new Promise((resolve) => setTimeout(resolve, 100));
      running -= 1;
      return false;
    }, () => true);
    void poller.wake();
    void poller.wake();
    await vi.advanceTimersByTimeAsync(150);
    expect(looks).toBe(2);
    expect(most).toBe(1);
    poller.stop();
  });
});

describe("versions", () => {
  const task: Task = {
    id: "task-1", name: "topics", kind: "single_label", created_at: 0, versions: 1, latest_version: 1, aliases: {},
  };
  const version = { version: 1, expires_at: 4600 } as Version;

  test("are fetched once, and again when the task has a new one", () => {
    const shelves = new Map([["topics", { stamp: stamp(task), versions: [version] }]]);
    expect(outdated([task], new Map(), 1000)).toEqual(["topics"]);
    expect(outdated([task], shelves, 1000)).toEqual([]);
    expect(outdated([{ ...task, versions: 2, latest_version: 2 }], shelves, 1000)).toEqual(["topics"]);
  });
  test("are fetched again before their links expire", () => {
    const shelves = new Map([["topics", { stamp: stamp(task), versions: [version] }]]);
    expect(outdated([task], shelves, 4000)).toEqual(["topics"]);
  });
});
