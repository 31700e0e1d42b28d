// A page may stay open longer than its token is good for: the bell then asks the forum for another. Whoever has logged out
// meanwhile gets none, and the bell goes silent.
for (const bell of document.querySelectorAll('bellrope-bell[data-token-url]'))
  bell.tokenCallback = async () => {
    const answer = await fetch(bell.dataset.tokenUrl)
    if (!answer.ok) throw new Error(`no token: ${answer.status}`)
    return (await answer.json()).token
  }
