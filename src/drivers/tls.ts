import { rootCertificates } from "node:tls";
import type { TlsOptions } from "../core/target.js";
import type { TlsOptions as WireTlsOptions } from "../wire/dial.js";

/** Certificates to trust, as PEM: the authorities given and those that come with Node; undefined: only the latter. */
export function trustedAuthorities(tls: TlsOptions): string | undefined {
  return tls.ca === undefined ? undefined : [tls.ca, ...rootCertificates].join("\n");
}

/** A target's TLS options in the wire's words. */
export function wireTls(tls: TlsOptions): WireTlsOptions {
  const ca = trustedAuthorities(tls);
  return {
    rejectUnauthorized: tls.insecure !== true,
    ...(ca === undefined ? {} : { ca }),
    ...(tls.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls.key === undefined ? {} : { key: tls.key }),
    ...(tls.servername === undefined ? {} : { servername: tls.servername }),
  };
}
