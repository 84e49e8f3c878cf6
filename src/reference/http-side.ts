import type { IncomingMessage, ServerResponse } from "node:http";
import { cpuUsage, memoryUsage } from "node:process";

import { levels, type EntryInput, type Level } from "./log-entry.js";
import type { MonitorService } from "./service.js";
import { MONITOR_PATH, pathOf } from "./upgrade-request.js";

/** What the probe tells of a server. */
export interface ServerStats {
  readonly openStreams: number;
  /** Of the whole process. */
  readonly rssBytes: number;
  /** Of the whole process since its start, user and system. */
  readonly cpuMicros: number;
}

export function readStats(service: MonitorService): ServerStats {
  const { user, system } = cpuUsage();
  return { openStreams: service.openStreams, rssBytes: memoryUsage.rss(), cpuMicros: user + system };
}

/** Answers what is not an upgrade: the producer, the probe, and a plain GET of the monitor. */
export function serveHttpRequest(request: IncomingMessage, response: ServerResponse, service: MonitorService): void {
  const path = pathOf(request);
  const route = `${request.method ?? ""} ${path}`;
  if (path === "/logs" && service.fast) refuse(response, 404, "the fast source has no producer");
  else if (route === "POST /logs") void produce(request, response, service);
  else if (route === "GET /stats") answerJson(response, 200, statsJson(service));
  else if (route === "GET /metrics") answer(response, 200, "text/plain; version=0.0.4; charset=utf-8", metricsText(service));
  else if (path === MONITOR_PATH && service.faults.has("plain-get-held")) request.resume();
  else if (path === MONITOR_PATH) {
    service.refused();
    response.setHeader("Upgrade", "websocket");
    response.setHeader("Connection", "Upgrade");
    refuse(response, 426, "upgrade to websocket");
  } else if (["/logs", "/stats", "/metrics"].includes(path)) {
    response.setHeader("Allow", path === "/logs" ? "POST" : "GET");
    refuse(response, 405, "wrong method");
  } else refuse(response, 404, "no such path");
}

async function produce(request: IncomingMessage, response: ServerResponse, service: MonitorService): Promise<void> {
  const body = await readBody(request, service);
  if (body === "too-large") refuse(response, 413, `the body is over ${service.limits.batchBytes} bytes`);
  else if (body !== "lost") {
    const batch = parseBatch(body);
    if (typeof batch === "string") refuse(response, 400, batch);
    else answerJson(response, 202, service.log.append(batch));
  }
}

/** The entries of a batch, or why it is none. */
export function parseBatch(body: Buffer): readonly EntryInput[] | string {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return "the body is not JSON";
  }
  if (!Array.isArray(value)) return "the body is not an array";
  if (value.length === 0) return "the array is empty";
  const index = value.findIndex((item) => !isEntryInput(item));
  if (index < 0) return value as EntryInput[];
  return `entry ${index} is not {"level": one of ${levels.join(", ")}, "source": string, "message": string}`;
}

function isEntryInput(value: unknown): value is EntryInput {
  if (typeof value !== "object" || value === null) return false;
  const { level, source, message } = value as Record<string, unknown>;
  return levels.includes(level as Level) && typeof source === "string" && typeof message === "string";
}

async function readBody(request: IncomingMessage, { limits, faults }: MonitorService): Promise<Buffer | "too-large" | "lost"> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      // The rest is read and forgotten: the client sees the answer, not a broken pipe.
      if (bytes <= limits.batchBytes) chunks.push(faults.has("body-cut-into-texts") ? Buffer.from(chunk.toString("utf8")) : chunk);
    }
  } catch {
    return "lost";
  }
  return bytes > limits.batchBytes ? "too-large" : Buffer.concat(chunks);
}

function statsJson(service: MonitorService): object {
  const stats = readStats(service);
  return { open_streams: stats.openStreams, rss_bytes: stats.rssBytes, cpu_micros: stats.cpuMicros };
}

function metricsText(service: MonitorService): string {
  const stats = readStats(service);
  const gauge = (name: string, help: string, value: number): string => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${name} ${value}\n`;
  return (
    gauge("logger_open_streams", "Monitor streams opened and not released.", stats.openStreams) +
    gauge("process_resident_memory_bytes", "Resident memory size in bytes.", stats.rssBytes) +
    "# HELP process_cpu_seconds_total Total user and system CPU time spent in seconds.\n" +
    `# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total ${stats.cpuMicros / 1e6}\n`
  );
}

function answerJson(response: ServerResponse, httpStatus: number, value: object): void {
  answer(response, httpStatus, "application/json", `${JSON.stringify(value)}\n`);
}

function refuse(response: ServerResponse, httpStatus: number, reason: string): void {
  answer(response, httpStatus, "text/plain; charset=utf-8", `${reason}\n`);
}

function answer(response: ServerResponse, httpStatus: number, contentType: string, body: string): void {
  response.req.resume();
  response.writeHead(httpStatus, { "Content-Type": contentType, "Content-Length": Buffer.byteLength(body) });
  response.end(body);
}
