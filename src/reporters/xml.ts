import { oneLine, printableLines } from "./plain-text.js";

/** Text for an XML attribute in double quotes: one printable line, XML 1.0 characters only. */
export function xmlAttribute(text: string): string {
  return escapeXml(oneLine(text));
}

/** Text for the inside of an XML element; line breaks stay, XML 1.0 characters only. */
export function xmlText(text: string): string {
  return escapeXml(printableLines(text).join("\n"));
}

function escapeXml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;").replaceAll("'", "&apos;");
}
