/** One sample of a Prometheus text page. */
export interface PrometheusSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

/** Reads a page in Prometheus' text format (0.0.4, also OpenMetrics); lines that are no sample are left out. */
export function parsePrometheus(text: string): readonly PrometheusSample[] {
  return text.split("\n").flatMap((line) => {
    const found = /^([A-Za-z_:][\w:]*)(\{.*\})?[ \t]+(\S+)(?:[ \t]|\r?$)/.exec(line);
    if (found === null) {
      return [];
    }
    const [, name = "", labels = "", number = ""] = found;
    const value = numberOf(number);
    return value === undefined ? [] : [{ name, labels: parseLabels(labels), value }];
  });
}

/**
 * Sums the samples that a selector names: `name`, or `name{label="value"}` for those with these labels.
 * Undefined when there is none.
 */
export function sumSamples(samples: readonly PrometheusSample[], selector: string): number | undefined {
  const name = selector.replace(/\{.*$/s, "").trim();
  const wanted = Object.entries(parseLabels(selector.slice(name.length)));
  const chosen = samples.filter((sample) => sample.name === name && wanted.every(([label, value]) => sample.labels[label] === value));
  return chosen.length === 0 ? undefined : chosen.reduce((sum, sample) => sum + sample.value, 0);
}

/** Reads `{a="b", c="d"}`, in one pass whatever the text; what comes after the first thing that is no label is left out. */
function parseLabels(text: string): Readonly<Record<string, string>> {
  const label = /[{,\s]*([A-Za-z_]\w*)\s*=\s*"((?:[^"\\]|\\.)*)"/y;
  const pairs: [string, string][] = [];
  for (let found = label.exec(text); found !== null; found = label.exec(text)) {
    const [, name = "", value = ""] = found;
    pairs.push([name, value.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === "n" ? "\n" : escaped))]);
  }
  return Object.fromEntries(pairs);
}

function numberOf(text: string): number | undefined {
  if (/^[+-]?Inf$/i.test(text)) {
    return text.startsWith("-") ? -Infinity : Infinity;
  }
  const value = Number(text);
  return Number.isNaN(value) ? undefined : value;
}
