// Loaded into a publisher: the transform of an event of this day ends the process, as a fault of the
// runtime would. A reader only looks at the whole time, with another call.
const DEADLY = '2099-01-01T00:00:00Z';
const { parse } = Date;

Date.parse = (text) => {
  if (text === DEADLY) process.kill(process.pid, 'SIGKILL');
  return parse(text);
};
