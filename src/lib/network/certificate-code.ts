/** As OpenSSL and Node name what is wrong with a certificate. */
const CODES =
  /^(?:CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS_CERT_|(?:HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH_EXCEEDED|ERROR_IN_CERT_\w+)$)/;

/** Whether a connection failed because the other side's certificate is not trusted, by the error's `code`. */
export function isCertificateCode(code: string): boolean {
  return CODES.test(code);
}
