import { fileURLToPath } from 'node:url'
import { type Ended, type RunOptions, runToEnd } from './process.js'

/** The executable behind `ecdock-fast`. */
export const ECDOCK_FAST = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))

/** Runs `ecdock-fast` as people do, as a process of its own. */
export function ecdockFast(args: readonly string[], options?: RunOptions): Promise<Ended> {
  return runToEnd(process.execPath, [ECDOCK_FAST, ...args], options)
}

/** Runs `ecdock-fast --json` and gives its document; throws with all that it said when it fails. */
export async function ecdockFastJson<Document>(
  args: readonly string[],
  options?: RunOptions,
): Promise<Document> {
  const ended = await ecdockFast(['--json', ...args], options)
  if (ended.status !== 0)
    throw new Error(`ecdock-fast ${args.join(' ')}: status ${ended.status}\n${ended.output}`)
  return JSON.parse(ended.stdout) as Document
}
