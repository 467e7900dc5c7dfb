/** One thing that speaks against an event. */
export interface PipelineIssue {
  /** JSON Pointer into the transformed event, or a position in the expression. */
  readonly path: string;
  /** The schema keyword, or the code of the JSONata error. */
  readonly keyword: string;
  readonly message: string;
}
