/** What can be plugged in. `netns` is a name under /run/netns, or an absolute path of a namespace file. */
export type Target = { pid: number } | { netns: string } | { container: string }

/** A target resolved to a namespace. */
export interface ResolvedTarget {
  /** Path of the namespace file, such as `/proc/1234/ns/net`. */
  netns: string
  /** How people name it: `pid:1234`, `netns:blue` or `container:web`. */
  label: string
  /** Full container id, when it is a container. */
  containerId?: string
}
