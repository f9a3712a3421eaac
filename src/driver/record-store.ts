import { randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { z } from 'zod'
import { EcdockError } from '../errors.js'

/** Keeps documents of one kind, each under its id. */
export interface RecordStore<Document> {
  /** All that there are. */
  load(): Promise<Loaded<Document>>
  /** Replaces the document; when the promise is kept, a crash of this process does not take it back. */
  save(id: string, document: Document): Promise<void>
  /** Nothing happens when there is none. */
  remove(id: string): Promise<void>
}

export interface Loaded<Document> {
  documents: Document[]
  /** Files that hold none. They stay, for a person to look at. */
  damaged: { path: string; reason: string }[]
}

export interface FileStoreOptions {
  /**
   * Documents survive also a loss of power. It costs a write to the disk for each; not for what does not outlive the
   * machine's run anyway. Default true.
   */
  durable?: boolean
}

/** The largest document: a pool of 65,536 scattered addresses. */
const LARGEST_BYTES = 8 * 1024 * 1024
const MOST_DOCUMENTS = 65_536
const SUFFIX = '.json'

/**
 * Documents as files `ID.json` in a directory, each written as a whole under another name and then renamed, so that
 * whoever reads gets the old one or the new one. Saves of one document follow each other.
 */
export class FileStore<Document extends { id: string }> implements RecordStore<Document> {
  readonly #saving = new Map<string, Promise<void>>()

  constructor(
    readonly directory: string,
    private readonly schema: z.ZodType<Document>,
    private readonly options: FileStoreOptions = {},
  ) {}

  async load(): Promise<Loaded<Document>> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 })
    const names = await readdir(this.directory)
    if (names.length > MOST_DOCUMENTS) {
      throw new EcdockError(
        'STATE_INVALID',
        'load state',
        `${this.directory} has more than ${MOST_DOCUMENTS} files`,
        {
          hint: 'Something else has filled it: move away what does not belong there.',
        },
      )
    }
    const loaded: Loaded<Document> = { documents: [], damaged: [] }
    for (const name of names) {
      const path = join(this.directory, name)
      // What a crash has cut short: its rename did not happen, so that nobody has been told that it was saved.
      if (/^\.[A-Za-z0-9]+\.[0-9a-f]{12}$/.test(name)) await rm(path, { force: true })
      if (!name.endsWith(SUFFIX)) continue
      try {
        loaded.documents.push(await this.#read(path, name.slice(0, -SUFFIX.length)))
      } catch (error) {
        loaded.damaged.push({ path, reason: error instanceof Error ? error.message : String(error) })
      }
    }
    return loaded
  }

  save(id: string, document: Document): Promise<void> {
    const text = `${JSON.stringify(document)}\n`
    return this.#after(id, () => this.#write(id, text))
  }

  remove(id: string): Promise<void> {
    return this.#after(id, () => rm(this.#path(id), { force: true }))
  }

  /** What is done to one document happens in the order in which it was asked for. */
  #after(id: string, work: () => Promise<void>): Promise<void> {
    const before = this.#saving.get(id) ?? Promise.resolve()
    const done = before.then(work, work).catch((error) => {
      throw new EcdockError(
        'STATE_UNWRITABLE',
        'save state',
        `${this.#path(id)} cannot be written: ${error.message}`,
        {
          errno: error.code,
          hint: 'Is the disk full, or the directory read-only?',
          cause: error,
        },
      )
    })
    this.#saving.set(id, done)
    const forget = () => {
      if (this.#saving.get(id) === done) this.#saving.delete(id)
    }
    done.then(forget, forget)
    return done
  }

  async #write(id: string, text: string): Promise<void> {
    const unfinished = join(this.directory, `.${id}.${randomBytes(6).toString('hex')}`)
    try {
      const file = await open(unfinished, 'wx', 0o600)
      try {
        await file.writeFile(text)
        if (this.options.durable !== false) await file.datasync()
      } finally {
        await file.close()
      }
      await rename(unfinished, this.#path(id))
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => {})
      throw error
    }
  }

  async #read(path: string, id: string): Promise<Document> {
    const file = await open(path, 'r')
    try {
      const { size } = await file.stat()
      if (size > LARGEST_BYTES) throw new Error(`it has ${size} bytes, and none that we write has that many`)
      const document = this.schema.parse(JSON.parse(await file.readFile('utf8')))
      if (document.id !== id) throw new Error(`it is about ${document.id}`)
      return document
    } finally {
      await file.close()
    }
  }

  #path(id: string): string {
    return join(this.directory, `${id}${SUFFIX}`)
  }
}
