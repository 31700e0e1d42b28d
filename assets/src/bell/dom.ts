// Elements in one line. Text is always text: nothing here, or anywhere in the bell, reads HTML.

type Child = Node | string | null | undefined | false
type Listener = (event: never) => void
/** Attributes by name; a function is a listener, `true` an attribute without a value, and what is null is left out. */
type Attributes = Record<string, string | number | boolean | null | undefined | Listener>

export function h<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name)
  set(element, attributes)
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false))
  return element
}

export function set(element: Element, attributes: Attributes): void {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value as EventListener)
    else if (value === null || value === undefined || value === false) element.removeAttribute(name)
    else element.setAttribute(name, value === true ? '' : String(value))
  }
}

/** Puts `wanted` into `parent` in this order and takes all else out, moving as little as it can: focus and scroll stay. */
export function arrange(parent: Element, wanted: readonly Element[]): void {
  const keep = new Set(wanted)
  for (const child of [...parent.children]) if (!keep.has(child)) child.remove()
  wanted.forEach((child, at) => {
    if (parent.children[at] !== child) parent.insertBefore(child, parent.children[at] ?? null)
  })
}
