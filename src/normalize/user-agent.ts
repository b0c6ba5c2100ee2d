import Bowser from 'bowser';

/** What a user agent says of itself. */
export interface UserAgent {
  readonly name?: string;
  readonly version?: string;
  readonly osName?: string;
  readonly osVersion?: string;
  /** The browser writes a fixed version, whatever the device runs. */
  readonly osFrozen: boolean;
  readonly device?: string;
}

/** Longer ones are read up to here; longer than that, and the parser's regular expressions could be made to work. */
const MAX_LENGTH = 1024;

/** A parser that remembers the `capacity` user agents it saw last. */
export function userAgentParser(capacity = 2000): (original: string) => UserAgent {
  const known = new Map<string, UserAgent>();
  return (original) => {
    if (original.length > MAX_LENGTH) return parse(original.slice(0, MAX_LENGTH));
    const cached = known.get(original);
    const agent = cached ?? parse(original);
    if (cached) known.delete(original);
    else if (known.size >= capacity) known.delete(known.keys().next().value ?? '');
    known.set(original, agent);
    return agent;
  };
}

function parse(original: string): UserAgent {
  const { browser, os, platform } = Bowser.parse(original);
  const product = /^(?!Mozilla\/|Opera\/)([A-Za-z][\w.+-]{0,99})\/v?(\d[\w.+-]{0,99})/.exec(original);
  const name = product?.[1] ?? browser.name;
  const version = product ? product[2] : browser.version;
  const osVersion = os.name === 'Windows' ? os.versionName : os.version;
  const device = platform.model || androidModel(original);
  return {
    ...(name && { name }),
    ...(name && version && { version }),
    ...(os.name && { osName: os.name }),
    ...(osVersion && { osVersion }),
    osFrozen: isFrozen(original),
    ...(device && { device }),
  };
}

/** `K` is what Chrome writes for every device. */
function androidModel(original: string): string | undefined {
  const model =
    /\(Linux;(?: U;)? Android [^;)]{1,20};(?: [a-z]{2}-[a-z]{2};)? ([^;)]{2,100}?)(?: Build\/[^;)]*)?[;)]/.exec(
      original,
    );
  return model?.[1];
}

function isFrozen(original: string): boolean {
  return /Windows NT 10\.0|Mac OS X 10[._]15[._]7|Android 10; K\)/.test(original);
}

/** Whether one name is part of the other, whatever the case. */
export function sameName(one: string, other: string): boolean {
  const [a, b] = [one.toLowerCase(), other.toLowerCase()];
  return a.includes(b) || b.includes(a);
}

/** `14` and `14.0.1` do not contradict one another. */
export function sameVersion(one: string, other: string): boolean {
  return `${one}.`.startsWith(`${other}.`) || `${other}.`.startsWith(`${one}.`);
}
