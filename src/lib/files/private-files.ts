import { chmodSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const OF_OTHERS = 0o077;
const WRITTEN_BY_ANYBODY = 0o002;
/** Only the owner of a file may take it away: /tmp. */
const STICKY = 0o1000;

/**
 * Takes from other users what they may do with a database, which an earlier version or a mount let
 * them do.
 *
 * @returns what is still open: files that are not ours to change, a folder in which anybody may
 *   exchange them
 */
export function keepPrivate(database: string): string[] {
  // Modes say nothing there.
  if (process.platform === 'win32') return [];
  const files = ['', '-wal', '-shm', '-journal'].map((suffix) => `${database}${suffix}`);
  const folder = dirname(database);
  const folderMode = modeOf(folder);
  const isExchangeable = (folderMode & WRITTEN_BY_ANYBODY) !== 0 && (folderMode & STICKY) === 0;
  return [...files.filter((file) => !isClosed(file)), ...(isExchangeable ? [folder] : [])];
}

function isClosed(file: string): boolean {
  if ((modeOf(file) & OF_OTHERS) === 0) return true;
  try {
    chmodSync(file, 0o600);
  } catch {
    return false;
  }
  return (modeOf(file) & OF_OTHERS) === 0;
}

/** 0 for a file that is not there. */
function modeOf(path: string): number {
  try {
    return statSync(path).mode;
  } catch {
    return 0;
  }
}
