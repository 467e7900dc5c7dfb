/** What one caller, and all of them together, may ask of this process. */
export interface HttpLimits {
  /** Largest JSON body. */
  readonly bodyBytes: number;
  /** What JSON bodies of all requests together may take of the memory, and as much streamed ones. */
  readonly heldBodyBytes: number;
  /** Of a streamed body. */
  readonly lineBytes: number;
  readonly jsonDepth: number;
  /** Objects, lists, and all that is in them, in one JSON body. */
  readonly jsonValues: number;
  /** Requests at once, those that wait for their turn included; probes do not count. */
  readonly inFlight: number;
  /** Mean delay of the event loop above which requests are turned away; 0 = never. */
  readonly loopDelayMs: number;
  /** Requests of one caller; 0 = no limit. */
  readonly perMinute: number;
  readonly headersTimeoutMs: number;
  /** For a JSON body to arrive, and the longest silence of a streamed body or a stuck reader. */
  readonly bodyTimeoutMs: number;
}
