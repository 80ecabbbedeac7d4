/**
 * A credential that no log, error or JSON shows by accident. {@link Secret.reveal} gives its text, at the one place
 * that needs it.
 */
export class Secret {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  /** The text. Put it where secrets are kept, and nowhere else. */
  reveal(): string {
    return this.#text;
  }

  toString(): string {
    return "[secret]";
  }

  toJSON(): string {
    return "[secret]";
  }

  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return "Secret([secret])";
  }
}

/** The text of a credential, however it is held. */
export function revealed(secret: string | Secret): string {
  return typeof secret === "string" ? secret : secret.reveal();
}
