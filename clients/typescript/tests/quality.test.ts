/** `ConnectionQualityDetector` by itself. */

import { describe, expect, it } from "vitest";
import { ConnectionQualityDetector } from "../src/index.js";

const judged = (latencies: number[], losses = 0) => {
  const detector = new ConnectionQualityDetector();
  for (const latency of latencies) detector.recordLatency(latency);
  for (let n = 0; n < losses; n++) detector.recordPacketLoss();
  return [detector.getConnectionQuality(), detector.getSuggestedConnectionType()];
};

describe("ConnectionQualityDetector", () => {
  it("knows nothing at first, and suggests what is best", () => {
    const detector = new ConnectionQualityDetector();
    expect(detector.latency).toBeUndefined();
    expect(detector.loss).toBe(0);
    expect([detector.getConnectionQuality(), detector.getSuggestedConnectionType()]).toEqual(["good", "websocket"]);
  });

  it.each([
    [[20], 0, "excellent", "websocket"],
    [[100], 0, "excellent", "websocket"],
    [[101], 0, "good", "websocket"],
    [[301], 0, "fair", "sse"],
    [[1001], 0, "poor", "polling"],
    [Array(19).fill(50), 1, "good", "websocket"],
    [Array(18).fill(50), 2, "fair", "sse"],
    [Array(16).fill(50), 4, "poor", "polling"],
    [[], 3, "poor", "polling"],
  ])("judges %j with %i lost", (latencies, losses, quality, type) => {
    expect(judged(latencies as number[], losses as number)).toEqual([quality, type]);
  });

  it("takes the median, so that one slow answer says little", () => {
    const detector = new ConnectionQualityDetector();
    for (const latency of [40, 5000, 60, 50, 45]) detector.recordLatency(latency);
    expect(detector.latency).toBe(50);
    expect(detector.getConnectionQuality()).toBe("excellent");
  });

  it("forgets what is longer ago than its samples", () => {
    const detector = new ConnectionQualityDetector(4);
    for (let n = 0; n < 4; n++) detector.recordPacketLoss();
    for (let n = 0; n < 3; n++) detector.recordLatency(10);
    expect(detector.loss).toBe(0.25);
    detector.recordLatency(10);
    expect([detector.loss, detector.getConnectionQuality()]).toEqual([0, "excellent"]);
  });

  it("begins again for another connection", () => {
    const detector = new ConnectionQualityDetector();
    detector.recordPacketLoss();
    detector.reset();
    expect([detector.loss, detector.getConnectionQuality()]).toEqual([0, "good"]);
  });

  it("takes a clock that was set back for no time at all", () => {
    const detector = new ConnectionQualityDetector();
    detector.recordLatency(-3_600_000);
    expect(detector.latency).toBe(0);
  });
});
