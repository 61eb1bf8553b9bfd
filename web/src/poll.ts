// When to look again: often while jobs run, seldom while nobody watches, ever later while nobody answers.
// `Poller` runs one look at a time and never overlaps them.

export interface Situation {
  visible: boolean;
  active: boolean; // jobs are queued or running
  failures: number; // looks in a row that failed
}

/** Milliseconds until the next look. */
export function nextDelay(situation: Situation): number {
  const base = situation.active ? 1000 : 2000;
  const delay = Math.min(10000, base * 2 ** Math.min(situation.failures, 4));
  return situation.visible ? delay : Math.max(delay, 30000);
}

export class Poller {
  private timer: ReturnType<typeof setTimeout> | undefined;
  private busy = false;
  private again = false;
  private stopped = false;
  private failures = 0;

  /** `look` answers whether jobs are active; it throws where the daemon did not answer. */
  constructor(private readonly look: () => Promise<boolean>, private readonly visible: () => boolean) {}

  /** Look at once, and then at the pace of nextDelay. */
  async wake(): Promise<void> {
    if (this.stopped) return;
    if (this.busy) {
      this.again = true;
      return;
    }
    clearTimeout(this.timer);
    this.busy = true;
    let active = false;
    try {
      active = await this.look();
      this.failures = 0;
    } catch {
      this.failures += 1;
    }
    this.busy = false;
    if (this.stopped) return;
    const soon = this.again;
    this.again = false;
    const delay = soon ? 0 : nextDelay({ visible: this.visible(), active, failures: this.failures });
    this.timer = setTimeout(() => void this.wake(), delay);
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
  }
}
