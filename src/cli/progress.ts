import type { RunEvent } from "../core/report.js";
import type { Console } from "./console.js";

/** Hears a run and keeps a line below the output that says how far it is; on a terminal only. */
export function createProgress(console: Console): (event: RunEvent) => void {
  const running = new Set<string>();
  let done = 0;
  let total = 0;
  const show = (): void => {
    const text = `  ${done}/${total}  ${[...running].join(", ")}`;
    console.redraw(done === total ? undefined : text.slice(0, Math.max(20, console.columns - 1)));
  };
  return (event) => {
    switch (event.kind) {
      case "started":
        total = event.total;
        break;
      case "check-started":
        running.add(`${event.id} ${event.transport}`);
        show();
        break;
      case "check-finished":
        running.delete(`${event.record.id} ${event.record.transport}`);
        done = event.done;
        show();
        break;
      case "finished":
        console.redraw(undefined);
        break;
      default:
        break;
    }
  };
}
