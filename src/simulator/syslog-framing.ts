/** Takes a byte stream apart into messages, by octet counting or by line, whichever the first byte shows. RFC 6587. */
export class Unframe {
  readonly #maxSize: number;
  #rest: Buffer = Buffer.alloc(0);

  constructor(maxSize: number) {
    this.#maxSize = maxSize;
  }

  /** Bytes of a message that has not come whole yet. */
  get pending(): number {
    return this.#rest.length;
  }

  /** Throws on a frame that no strict receiver would take: behind it nothing can be told apart. */
  *push(chunk: Buffer): Generator<Buffer> {
    let bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const frame = this.#next(bytes);
      if (!frame) break;
      bytes = bytes.subarray(frame.end);
      this.#rest = bytes;
      yield frame.message;
    }
    this.#rest = bytes;
  }

  #next(bytes: Buffer): { message: Buffer; end: number } | undefined {
    if (bytes.length === 0) return undefined;
    if (bytes[0] === LESS_THAN) return this.#line(bytes);
    const head = bytes.toString('latin1', 0, 9);
    const digits = /^([1-9]\d{0,7})( ?)/.exec(head);
    if (!digits) throw new Error(`framing: a length or < expected, not ${JSON.stringify(head)}`);
    const [whole, count = '', space] = digits;
    if (!space && head.length < 9 && whole.length === head.length) return undefined;
    if (!space) throw new Error(`framing: no space behind ${JSON.stringify(head)}`);
    if (Number(count) > this.#maxSize) throw new Error(`framing: a message of ${count} bytes`);
    const end = whole.length + Number(count);
    return bytes.length < end ? undefined : { message: bytes.subarray(whole.length, end), end };
  }

  #line(bytes: Buffer): { message: Buffer; end: number } | undefined {
    const end = bytes.indexOf(NEWLINE);
    if (end < 0 && bytes.length > this.#maxSize) throw new Error(`framing: a line of over ${this.#maxSize} bytes`);
    return end < 0 ? undefined : { message: bytes.subarray(0, end), end: end + 1 };
  }
}

const LESS_THAN = 0x3c;
const NEWLINE = 0x0a;
