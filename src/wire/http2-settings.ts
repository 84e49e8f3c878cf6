import {
  DEFAULT_MAX_FRAME_BYTES,
  DEFAULT_WINDOW_BYTES,
  frameError,
  LARGEST_WINDOW,
  SETTING,
  settingsEntries,
  type FrameView,
  type SettingName,
} from "./http2-frames.js";

/** Values of one side's SETTINGS, defaults filled in (RFC 9113 section 6.5.2); unlimited is Infinity. */
export type Http2Settings = Record<SettingName, number>;

/** What holds for a side that has sent no SETTINGS. */
export function initialSettings(): Http2Settings {
  return {
    HEADER_TABLE_SIZE: 4096,
    ENABLE_PUSH: 1,
    MAX_CONCURRENT_STREAMS: Infinity,
    INITIAL_WINDOW_SIZE: DEFAULT_WINDOW_BYTES,
    MAX_FRAME_SIZE: DEFAULT_MAX_FRAME_BYTES,
    MAX_HEADER_LIST_SIZE: Infinity,
  };
}

const NAMES: readonly SettingName[] = [
  "HEADER_TABLE_SIZE",
  "ENABLE_PUSH",
  "MAX_CONCURRENT_STREAMS",
  "INITIAL_WINDOW_SIZE",
  "MAX_FRAME_SIZE",
  "MAX_HEADER_LIST_SIZE",
];

/** Reads a server's SETTINGS payload, unknown identifiers left out. Throws the WireError that RFC 9113 section 6.5 sets for each bad value. */
export function readSettings(frame: FrameView): Partial<Http2Settings> {
  const bytes = frame.end - frame.start;
  if (bytes % 6 !== 0) throw frameError("FRAME_SIZE_ERROR", frame, "a multiple of 6 bytes (RFC 9113 6.5)", `${bytes} bytes`);
  const settings: Partial<Http2Settings> = {};
  for (const [id, value] of settingsEntries(frame)) {
    const name = NAMES.find((candidate) => SETTING[candidate] === id);
    if (name === undefined) continue;
    if (name === "ENABLE_PUSH" && value > 1) throw frameError("PROTOCOL_ERROR", frame, "ENABLE_PUSH 0 (RFC 9113 6.5.2)", `${value}`);
    if (name === "INITIAL_WINDOW_SIZE" && value > LARGEST_WINDOW) {
      throw frameError("FLOW_CONTROL_ERROR", frame, `INITIAL_WINDOW_SIZE of at most ${LARGEST_WINDOW} (RFC 9113 6.5.2)`, `${value}`);
    }
    if (name === "MAX_FRAME_SIZE" && (value < DEFAULT_MAX_FRAME_BYTES || value > 2 ** 24 - 1)) {
      throw frameError("PROTOCOL_ERROR", frame, `MAX_FRAME_SIZE from ${DEFAULT_MAX_FRAME_BYTES} to ${2 ** 24 - 1} (RFC 9113 6.5.2)`, `${value}`);
    }
    settings[name] = value;
  }
  return settings;
}

/** Settings as identifier and value, in the order given. */
export function settingsById(settings: Partial<Http2Settings>): Map<number, number> {
  const byId = new Map<number, number>();
  for (const name of Object.keys(settings) as SettingName[]) {
    const value = settings[name];
    if (value !== undefined && Number.isFinite(value)) byId.set(SETTING[name], value);
  }
  return byId;
}
