/** Which build is running; shown by `/version`, `/metrics`, `/openapi.json` and `/docs`. */
export interface About {
  readonly name: string;
  readonly version: string;
  /** The commit this was built from, when known. */
  readonly commit?: string | undefined;
}
