/* compose_fuzz.c - any fields make a message that reads as what was said, or are refused. */
#include "base/fuzz.h"
#include "base/text.h"
#include "compose.h"
#include "html_text.h"
#include "mail/head.h"

/* Fields are cut from the input at 0xfe, which is in no UTF-8. */
static struct slice take(struct slice *input)
{
    struct slice s = SL("");
    (void)!sl_next(input, (char)0xfe, &s);
    return s;
}

static void judge(struct arena *a, const struct composed *m, const struct compose *c, struct slice name)
{
    struct compose_reader r = {.message = m};
    struct buf b = BUF_INIT;
    struct mail_head h;
    while (compose_read(&r, &b)) {
    }
    ASSERT(b.n == m->size);
    ASSERT(mail_head_parse(a, buf_slice(&b), &h) == 0 && !h.bad_fields && h.complete);
    /* Date From To Subject Message-ID MIME-Version and a type, Content-Transfer-Encoding when it has no parts
     */
    size_t one = 6 + c->nheaders + 1;
    ASSERT(h.n >= one && h.n <= one + 1);
    ASSERT(!c->nheaders || mail_head_count(&h, name) == 1);
    struct slice rest = buf_slice(&b), line;
    while (sl_next(&rest, '\n', &line)) {
        ASSERT(line.n <= 999);
        ASSERT(!rest.p || sl_ends(line, SL("\r")));
    }
    ASSERT(sl_chr(buf_slice(&b), 0) == SL_NONE);
    ASSERT(!mime_parse(a, buf_slice(&b))->limited);
    buf_free(&b);
}

FUZZ
{
    struct arena a;
    ar_init(&a, 0);
    struct compose_addr to = {take(&input), take(&input)};
    struct compose_header h = {take(&input), take(&input)};
    struct compose_file f = {.type = take(&input), .name = take(&input), .content_id = take(&input)};
    struct compose_part p = {take(&input), take(&input)};
    f.bytes = take(&input);
    f.size = f.bytes.n;
    struct compose c = {.from = to,
                        .to = {&to, 1},
                        .subject = take(&input),
                        .html = take(&input),
                        .message_id = SL("<1@x>"),
                        .header = &h,
                        .nheaders = h.name.n > 0,
                        .part = &p,
                        .nparts = p.type.n > 0,
                        .file = &f,
                        .nfiles = f.name.n + f.type.n > 0};
    f.is_inline = f.content_id.n > 0;
    struct composed m;
    if (compose_message(&a, &c, &m) == 0) judge(&a, &m, &c, h.name);
    struct buf text = BUF_INIT;
    html_text(&text, c.html);
    buf_free(&text);
    ar_free(&a);
}
