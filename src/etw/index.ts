/** Event tracing: the schema, the stream, and its text form. */
export * from './event.ts';
export { parseTrace, traceHeader, traceLine } from './json-lines.ts';
export { type Listener, Recorder, Trace } from './trace.ts';
