/* text.c - the texts of a letter on its way in, for those who judge by words. */
#include "intake_i.h"
#include "mail/texts.h"

enum { LOOK = 256 * 1024 /* bytes of a body that are looked into */ };

static int read_start(struct intake_letter *l, struct buf *out)
{
    buf_put(out, buf_slice(&l->edited));
    buf_str(out, "\r\n");
    for (uint64_t at = 0; at < LOOK;) {
        char *p = buf_space(out, INTAKE_BUFFER);
        int64_t n = body_read_back(l->body, at, p, INTAKE_BUFFER);
        if (n <= 0) return (int)n;
        out->n += (size_t)n;
        at += (uint64_t)n;
    }
    return 0;
}

struct slice intake_text(struct intake_letter *l)
{
    struct buf start = BUF_INIT;
    if (!l->text_read && l->body && !read_start(l, &start))
        l->text = mail_texts(&l->a, buf_slice(&start), INTAKE_TEXT_MAX);
    l->text_read = true;
    buf_free(&start);
    return l->text;
}
