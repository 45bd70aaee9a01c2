/** `PriorityMessageQueue` by itself. */

import { describe, expect, it } from "vitest";
import { PriorityMessageQueue, QueueFull } from "../src/index.js";
import type { Priority } from "../src/wire/message.js";

interface Named {
  name: string;
  priority?: Priority;
}

const filled = (queue: PriorityMessageQueue<Named>, ...names: string[]) => {
  // "h2" is the second of high priority.
  const priorities: Record<string, Priority> = { c: "critical", h: "high", n: "normal", l: "low" };
  for (const name of names) queue.enqueue({ name, priority: priorities[name[0] as string] as Priority });
  return queue;
};
const drained = (queue: PriorityMessageQueue<Named>) => {
  const names: string[] = [];
  for (let one = queue.dequeue(); one; one = queue.dequeue()) names.push(one.name);
  return names.join(" ");
};
const held = (queue: PriorityMessageQueue<Named>) => [...queue].map(({ name }) => name).join(" ");

describe("PriorityMessageQueue", () => {
  it("is empty at first", () => {
    const queue = new PriorityMessageQueue();
    expect([queue.length, queue.dequeue(), [...queue], queue.maxSize]).toEqual([0, undefined, [], 1000]);
  });

  it("keeps the order within a priority, and takes what has none for normal", () => {
    const queue = new PriorityMessageQueue<Named>();
    queue.enqueue({ name: "first" });
    queue.enqueue({ name: "second", priority: "normal" });
    queue.enqueue({ name: "third" });
    expect(drained(queue)).toBe("first second third");
  });

  it("lets critical overtake everything", () => {
    expect(drained(filled(new PriorityMessageQueue(), "l1", "n1", "h1", "c1", "c2"))).toBe("c1 c2 h1 n1 l1");
  });

  it("shares between high, normal and low by 4, 2 and 1, so that low is not starved", () => {
    const names = ["h", "n", "l"].flatMap((lane) => Array.from({ length: 8 }, (_, n) => lane + n));
    const order = drained(filled(new PriorityMessageQueue<Named>(), ...names));
    expect(order.replaceAll(/\d/g, "").slice(0, 27)).toBe("h h h h n n l h h h h n n l");
    expect(order.split(" ")).toHaveLength(24);
    expect(order.endsWith("l7")).toBe(true);
  });

  it("gives an empty lane's turn to the others", () => {
    expect(drained(filled(new PriorityMessageQueue(), "l1", "l2", "n1", "n2", "n3"))).toBe("n1 n2 l1 n3 l2");
  });

  it("when full, gives the place of the oldest of the least urgent to what is more urgent, and says so", () => {
    const dropped: string[] = [];
    const queue = new PriorityMessageQueue<Named>(3, ({ name }) => dropped.push(name));
    filled(queue, "n1", "l1", "l2", "h1");
    expect([held(queue), dropped]).toEqual(["h1 n1 l2", ["l1"]]);
    filled(queue, "c1", "c2");
    expect([held(queue), dropped]).toEqual(["c1 c2 h1", ["l1", "l2", "n1"]]);
  });

  it("when full, refuses what nothing is less urgent than, and stays as it is", () => {
    const queue = filled(new PriorityMessageQueue<Named>(2), "n1", "h1");
    expect(() => filled(queue, "n2")).toThrow(QueueFull);
    expect(() => filled(queue, "l1")).toThrow("2 messages wait, none less urgent");
    expect([queue.length, held(queue)]).toEqual([2, "h1 n1"]);
  });

  it("refuses a priority that does not exist, and says which do", () => {
    const queue = new PriorityMessageQueue<Named>();
    expect(() => queue.enqueue({ name: "x", priority: "urgent" as Priority })).toThrow(
      new TypeError("priority: expected critical,high,normal,low, given urgent"),
    );
    expect(queue.length).toBe(0);
  });

  it("lets one wait before all others, even when it is full, and in the way of none", () => {
    const dropped: string[] = [];
    const queue = new PriorityMessageQueue<Named>(2, ({ name }) => dropped.push(name));
    filled(queue, "c1", "n1").prepend({ name: "first" });
    expect([queue.length, held(queue), dropped]).toEqual([3, "first c1 n1", []]);
    filled(queue, "c2");
    expect(dropped).toEqual(["n1"]);
    expect(drained(queue)).toBe("first c1 c2");
  });

  it("lets one be taken out of its turn, once", () => {
    const queue = filled(new PriorityMessageQueue<Named>(), "n1", "h1", "n2");
    const [, second] = queue;
    queue.remove(second as Named);
    queue.remove(second as Named);
    expect([queue.length, held(queue)]).toEqual([2, "h1 n2"]);
  });
});
