/** Tool calls that come in pieces, put together: in any mixture, and bounded whatever is sent. */

/** A piece of a tool call, or all of it. */
export interface ToolPiece {
  /** Which call of the answer it belongs to. */
  readonly place?: number | null | undefined;
  readonly id?: string | null | undefined;
  readonly name?: string | null | undefined;
  /** More of the text of its arguments. */
  readonly text?: string | null | undefined;
  /** Its arguments, where they are no text. */
  readonly whole?: unknown;
  /** Its arguments come in a way that is not put together. */
  readonly cut?: boolean | undefined;
}

/** A tool call as far as it has come. */
export interface BegunCall {
  readonly place: number | undefined;
  id: string;
  name: string;
  text: string;
  whole: unknown;
  /** Nothing more of it can come. */
  ended: boolean;
  /** Its arguments are not all kept. */
  cut: boolean;
}

/** What is kept of one answer. */
interface Bounds {
  readonly characters: number;
  readonly calls: number;
}

/** Tool calls in the order in which they began. */
export class ToolPieces {
  readonly #bounds: Bounds;
  readonly #calls: BegunCall[] = [];
  #kept = 0;

  constructor(bounds: Bounds = { characters: Number.POSITIVE_INFINITY, calls: Number.POSITIVE_INFINITY }) {
    this.#bounds = bounds;
  }

  get calls(): readonly BegunCall[] {
    return this.#calls;
  }

  /**
   * A piece belongs to the call of its place; without one, to that of its id, else to the last. Ids and names may come in pieces, or
   * whole with every piece. Another id and a name after arguments have begun are another call: some endpoints give all the same place.
   */
  add(piece: ToolPiece): void {
    let call = this.#find(piece);
    if (call && call.text !== "" && piece.id && piece.name && piece.id !== call.id) call = undefined;
    if (!call) {
      if (this.#calls.length >= this.#bounds.calls) return;
      call = {
        place: piece.place ?? undefined,
        id: "",
        name: "",
        text: "",
        whole: undefined,
        ended: false,
        cut: false,
      };
      this.#calls.push(call);
    }
    if (!call.ended && !call.cut) this.#extend(call, piece);
  }

  /** More of the text of a call that has begun at that place; where none has, it is not of a tool. */
  more(place: number, text: string): void {
    if (this.#find({ place })) this.add({ place, text });
  }

  /** The call of that place is whole; without a place all are. */
  end(place?: number): void {
    for (const call of this.#calls) if (place === undefined || call.place === place) call.ended = true;
  }

  #extend(call: BegunCall, piece: ToolPiece): void {
    const more = { id: added(call.id, piece.id), name: added(call.name, piece.name), text: piece.text ?? "" };
    const size = more.id.length + more.name.length + more.text.length + this.#sizeOf(piece.whole);
    if (this.#kept + size > this.#bounds.characters) {
      call.text = "";
      call.whole = undefined;
      call.cut = true;
      return;
    }
    this.#kept += size;
    call.id += more.id;
    call.name += more.name;
    call.text += more.text;
    call.whole ??= piece.whole;
    call.cut = piece.cut === true;
  }

  /** Characters of JSON; without a bound nobody asks. */
  #sizeOf(whole: unknown): number {
    if (whole === undefined || this.#bounds.characters === Number.POSITIVE_INFINITY) return 0;
    try {
      return JSON.stringify(whole)?.length ?? 0;
    } catch {
      // Nested more deeply than can be written.
      return Number.POSITIVE_INFINITY;
    }
  }

  #find({ place, id }: ToolPiece): BegunCall | undefined {
    if (typeof place === "number") return this.#calls.findLast((call) => call.place === place);
    return id ? this.#calls.find((call) => call.id === id) : this.#calls.at(-1);
  }
}

/** What a piece adds to what is known of a name. */
function added(known: string, piece: string | null | undefined): string {
  return !piece || piece === known ? "" : piece;
}
