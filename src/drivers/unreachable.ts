import { HarnessError } from "../core/errors.js";
import type { Target } from "../core/target.js";
import { WireError } from "../wire/wire-error.js";

/**
 * Why a target could not be reached, in one sentence that says what was found there, with the way out as hint.
 * Errors other than WireError are passed through: they are bugs of our own.
 */
export function unreachable(target: Target, thrown: unknown): unknown {
  if (!(thrown instanceof WireError)) {
    return thrown;
  }
  const { message, hint } = explain(target, thrown);
  return new HarnessError("unreachable", `${target.url}: ${message}`, { place: target.url, hint, cause: thrown });
}

function explain(target: Target, error: WireError): { readonly message: string; readonly hint: string } {
  const where = `${target.host}:${target.port}`;
  const [plain, secure] = target.transport === "grpc" ? ["grpc://", "grpcs://"] : ["ws://", "wss://"];
  const cause = error.cause as { readonly code?: unknown } | undefined;
  const code = typeof cause?.code === "string" ? cause.code : "";
  switch (error.code) {
    case "NOT_HTTP2":
      if (/^"HTTP\/1\.[01] /.test(error.actual)) {
        return {
          message: `${where} answers in HTTP/1.1, not in HTTP/2 as gRPC does: ${error.actual}.`,
          hint: "Is this the WebSocket or HTTP port? Give the gRPC port.",
        };
      }
      if (error.actual.startsWith('"\\x15\\x03')) {
        return { message: `${where} answers with a TLS alert.`, hint: `It speaks TLS: write ${secure} instead of ${plain}.` };
      }
      return { message: `${where} answers, but not in HTTP/2: ${error.actual}.`, hint: "Check the port: it belongs to another protocol." };
    case "NOT_HTTP":
      if (error.actual.startsWith('"\\x15\\x03')) {
        return { message: `${where} answers with a TLS alert.`, hint: `It speaks TLS: write ${secure} instead of ${plain}.` };
      }
      return {
        message: `${where} answers, but not in HTTP/1.1 as a WebSocket server does: ${error.actual}.`,
        hint: "Check the port: it belongs to another protocol, perhaps to gRPC.",
      };
    case "ALPN_MISMATCH":
      return {
        message: `${where} speaks TLS but does not offer HTTP/2 (ALPN: ${error.actual}).`,
        hint: "Is this the WebSocket port? gRPC over TLS needs ALPN h2.",
      };
    case "TLS_FAILED":
      return explainTls(where, plain, code, error);
    case "CONNECT_TIMEOUT":
      return {
        message: `${where} did not answer in time: got ${error.actual}.`,
        hint: "Check host, port and firewall; a server that only waits may speak another protocol.",
      };
    case "CONNECT_ABORTED":
      return { message: "the connection attempt was given up.", hint: "The run was stopped." };
    default:
      return explainTcp(where, target.url.startsWith(plain) ? `; if it speaks TLS, write ${secure}` : "", code, error);
  }
}

function explainTls(where: string, plain: string, code: string, error: WireError): { readonly message: string; readonly hint: string } {
  if (code === "ERR_SSL_WRONG_VERSION_NUMBER" || code === "ERR_SSL_PACKET_LENGTH_TOO_LONG") {
    return { message: `${where} does not speak TLS.`, hint: `Write ${plain} for plain text.` };
  }
  if (/SELF_SIGNED|UNABLE_TO|CERT_UNTRUSTED/.test(code)) {
    return {
      message: `the certificate of ${where} is not trusted: ${error.actual}.`,
      hint: "Trust its authority with --ca FILE, or accept any certificate with --insecure.",
    };
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return { message: `the certificate of ${where} is for another name: ${error.actual}.`, hint: "Give the name that it is for with --servername NAME." };
  }
  if (code === "CERT_HAS_EXPIRED" || code === "CERT_NOT_YET_VALID") {
    return { message: `the certificate of ${where} is not valid today: ${error.actual}.`, hint: "Renew it, or accept any certificate with --insecure." };
  }
  if (code === "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL" || /no application protocol/.test(error.actual)) {
    return { message: `${where} speaks TLS but does not offer HTTP/2 (ALPN).`, hint: "Is this the WebSocket or HTTP port? gRPC over TLS needs ALPN h2." };
  }
  return { message: `the TLS handshake with ${where} failed: ${error.actual}.`, hint: `Check the certificates; for plain text write ${plain}.` };
}

function explainTcp(where: string, orElse: string, code: string, error: WireError): { readonly message: string; readonly hint: string } {
  if (code === "ECONNREFUSED" || /ECONNREFUSED/.test(error.actual)) {
    return { message: `nothing listens on ${where} (connection refused).`, hint: "Start the server, or check host and port." };
  }
  if (code === "ENOTFOUND" || code === "EAI_AGAIN") {
    return { message: `the host of ${where} is not known (${code}).`, hint: "Check the spelling of the host." };
  }
  return {
    message: `no connection to ${where}: expected ${error.expected}, got ${error.actual}.`,
    hint: `Check that the server is up and that the port is the right one${orElse}.`,
  };
}
