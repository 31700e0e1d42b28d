// The count in the tab's title, before whatever the page calls itself, also when the page changes its mind.

export interface TitleCount {
  show(count: string): void
  stop(): void
}

export function titleCount(): TitleCount {
  let prefix = ''
  let written = ''

  function write(): void {
    const { title } = document
    // A page may have a count of its own: only ours is taken off.
    const bare = written !== '' && title.startsWith(written) ? title.slice(written.length) : title
    written = prefix
    if (title !== prefix + bare) document.title = prefix + bare
  }

  const observer = new MutationObserver(write)
  observer.observe(document.head, { childList: true, subtree: true, characterData: true })

  return {
    show(count) {
      prefix = count === '' ? '' : `(${count}) `
      write()
    },
    stop() {
      observer.disconnect()
      prefix = ''
      write()
    },
  }
}
