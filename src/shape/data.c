/* data.c - the files of share/, in the program: it works without an installed folder. */
#include "limits.h"
#include "reply.h"

#define EMBED(name, file)                                                                                    \
    __asm__(".pushsection .rodata\n" #name ":\n.incbin \"" file "\"\n" #name "_end:\n.popsection");          \
    extern const char name[] __attribute__((visibility("hidden")));                                          \
    extern const char name##_end[] __attribute__((visibility("hidden")))

EMBED(share_replies_rules, "share/replies/rules");
EMBED(share_replies_corpus, "share/replies/corpus.tsv");
EMBED(share_shaping_sites, "share/shaping/sites");

int replies_open(struct replies **out)
{
    return replies_read(out,
                        sl(share_replies_rules, (size_t)(share_replies_rules_end - share_replies_rules)));
}

struct slice replies_corpus(void)
{
    return sl(share_replies_corpus, (size_t)(share_replies_corpus_end - share_replies_corpus));
}

int shaping_open(struct shaping **out)
{
    return shaping_read(out,
                        sl(share_shaping_sites, (size_t)(share_shaping_sites_end - share_shaping_sites)));
}
