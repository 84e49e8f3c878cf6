import { readdirSync, readFileSync } from "node:fs";

/** Signals every process of a group and of its session; no error when there is none left. */
export function killGroup(leader: number, signal: NodeJS.Signals): void {
  sendSignal(-leader, signal);
  // A shell with job control gives its children groups of their own, in the same session.
  for (const member of membersOf(leader)) {
    if (member.group !== leader) {
      sendSignal(member.pid, signal);
    }
  }
}

/** Whether a process of the group or session is alive; zombies are not. */
export function groupIsAlive(leader: number): boolean {
  const members = membersOf(leader);
  if (members.length > 0) {
    return true;
  }
  if (procIsThere()) {
    return false;
  }
  try {
    process.kill(-leader, 0);
    return true;
  } catch {
    return false;
  }
}

/** What the processes of a group use together. */
export interface GroupUsage {
  readonly processes: number;
  readonly rssBytes: number;
  /** User and system time of all members and of their ended children. */
  readonly cpuMicros: number;
  readonly threads: number;
  readonly openFiles: number;
}

/** Reads /proc for the group, or for the process alone if it leads none; undefined where there is none (not Linux), or no process is left. */
export function readGroupUsage(leader: number): GroupUsage | undefined {
  const members = membersOf(leader);
  if (members.length === 0) {
    return undefined;
  }
  const sum = (value: (member: Member) => number): number => members.reduce((total, member) => total + value(member), 0);
  return {
    processes: members.length,
    rssBytes: sum((member) => statusValue(member.pid, "VmRSS") * 1024),
    cpuMicros: sum((member) => member.cpuTicks) * microsPerTick,
    threads: sum((member) => member.threads),
    openFiles: sum((member) => countOpenFiles(member.pid)),
  };
}

/** Linux counts CPU time for user space in hundredths of a second on every architecture. */
const microsPerTick = 10_000;

interface Member {
  readonly pid: number;
  readonly group: number;
  readonly threads: number;
  readonly cpuTicks: number;
}

function membersOf(leader: number): readonly Member[] {
  let names: string[];
  try {
    names = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return [];
  }
  return names.flatMap((name) => {
    const stat = readText(`/proc/${name}/stat`);
    // The command's name, in parentheses, may hold anything; what follows the last one is fields by position.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    const [state, , group, session] = fields;
    if (state === undefined || state === "Z" || state === "X" || ![name, group, session].some((id) => Number(id) === leader)) {
      return [];
    }
    const ticks = fields.slice(11, 15).map(Number);
    return [{ pid: Number(name), group: Number(group), threads: Number(fields[17]), cpuTicks: ticks.reduce((sum, value) => sum + value, 0) }];
  });
}

function procIsThere(): boolean {
  return readText("/proc/self/stat") !== "";
}

function statusValue(pid: number, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, "m").exec(readText(`/proc/${pid}/status`))?.[1] ?? 0);
}

function countOpenFiles(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

function sendSignal(target: number, signal: NodeJS.Signals): void {
  try {
    process.kill(target, signal);
  } catch {
    // It has ended already.
  }
}
