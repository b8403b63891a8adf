/* told_fuzz.c - reports about letters as anybody writes them; and what we write ourselves is understood. */
#include "base/fuzz.h"
#include "base/text.h"
#include "dsn.h"
#include "mime.h"
#include "told.h"

static void one_line(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) ASSERT(s.p[i] != '\n');
}

static void read_status(struct arena *a, struct slice text)
{
    struct told_status t;
    size_t left = text.n;
    while (told_status_next(a, &text, &t)) {
        ASSERT(text.n < left);
        left = text.n;
        one_line(t.original), one_line(t.final), one_line(t.action), one_line(t.status);
        one_line(t.remote_mta), one_line(t.diagnostic);
    }
    ASSERT(!text.n);
}

static void read_feedback(struct arena *a, struct slice text)
{
    struct told_feedback f;
    if (!told_feedback(a, text, &f)) return;
    ASSERT(f.type.n + f.original_rcpt.n <= text.n);
    one_line(f.type), one_line(f.original_rcpt);
}

/* The input as what a server answered: our report of it is read as about this recipient, failed, by this
 * host. */
static void own_report(struct arena *a, struct slice answer)
{
    struct buf b = BUF_INIT;
    struct dsn_recipient r = {.address = SL("bob@two.test"),
                              .action = DSN_FAILED,
                              .status = SL("5.1.1"),
                              .remote_mta = SL("mx.two.test"),
                              .diagnostic = answer};
    struct dsn d = {.hostname = SL("mail.one.test"),
                    .from = SL("mailer-daemon@one.test"),
                    .to = SL("alice@one.test"),
                    .now = 1795383266,
                    .recipient = &r,
                    .n = 1,
                    .original = SL("Subject: x\r\n\r\n")};
    if (mail_dsn_build(a, &b, &d) == 0) {
        struct slice text = buf_slice(&b);
        const struct mime_part *p = mime_parse(a, text)->root->child;
        while (p && !sl_eqi(p->subtype, SL("delivery-status"))) p = p->next;
        ASSERT(p && p->encoding != MIME_BASE64);
        struct slice status = sl_sub(text, (size_t)p->body_at, (size_t)(p->body_at + p->body_size));
        struct told_status t;
        ASSERT(told_status_next(a, &status, &t) && !t.final.n && told_status_next(a, &status, &t));
        ASSERT(sl_eq(t.final, SL("bob@two.test")) && sl_eqi(t.action, SL("failed")));
        ASSERT(sl_eq(t.status, SL("5.1.1")) && sl_eq(t.remote_mta, SL("mx.two.test")));
        ASSERT(!told_status_next(a, &status, &t));
    }
    buf_free(&b);
}

FUZZ
{
    struct arena a = {0};
    read_status(&a, input);
    read_feedback(&a, input);
    own_report(&a, sl_sub(input, 0, 4000));
    ar_free(&a);
}
