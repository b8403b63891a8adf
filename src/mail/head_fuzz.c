/* head_fuzz.c - a header section and everything that is read out of it or built from it. */
#include "addr.h"
#include "base/fuzz.h"
#include "base/text.h"
#include "build.h"
#include "date.h"
#include "dsn.h"
#include "encoded.h"
#include "submit.h"

static void bodies(struct arena *a, struct slice body)
{
    struct mail_addrs l;
    struct mail_date d;
    struct slice text = mail_unfold(a, body), local, domain;
    ASSERT(sl_chr(text, '\n') == SL_NONE && sl_chr(text, '\r') == SL_NONE);
    if (mail_addrs_parse(a, body, &l) == 0)
        for (size_t i = 0; i < l.n; i++) {
            (void)mail_addr_text(a, &l.v[i]);
            ASSERT(l.v[i].domain.n > 0);
        }
    (void)!mail_date_parse(body, &d);
    (void)!mail_addr_split(a, text, &local, &domain);
    struct slice utf8 = mail_words_decode(a, text);
    ASSERT(utf8_valid(utf8));
    struct slice again = mail_words_decode(a, mail_text_encode(a, utf8));
    ASSERT(sl_eq(again, utf8));
    ASSERT(is_ascii(mail_phrase_encode(a, utf8)));
}

static void rebuilt(struct arena *a, const struct mail_head *h, struct slice input)
{
    struct mail_edit e = {.domain = SL("x.test"), .submission = true};
    struct dsn_recipient r = {
        .address = input, .original = input, .diagnostic = input, .remote_mta = input, .status = input};
    struct dsn d = {.hostname = SL("mx"),
                    .from = SL("m@mx"),
                    .to = SL("a@b"),
                    .recipient = &r,
                    .n = 1,
                    .original = input};
    struct mail_received rec = {.helo = input, .by = SL("mx"), .name = input, .id = input, .for_one = input};
    struct mail_head again;
    struct mail_addrs from;
    struct buf b = BUF_INIT;
    mail_head_edit(a, h, &e, &b);
    (void)!mail_submit_check(a, h, &from);
    buf_clear(&b);
    mail_received(&b, &rec);
    mail_return_path(&b, input);
    mail_field(&b, SL("Subject"), input);
    ASSERT(mail_head_parse(a, buf_slice(&b), &again) == 0 && again.n == 3 && !again.bad_fields);
    buf_clear(&b);
    if (input.n < 20000) ASSERT(mail_dsn_build(a, &b, &d) == 0);
    buf_free(&b);
}

FUZZ
{
    struct arena a;
    struct mail_head h;
    ar_init(&a, 0);
    if (mail_head_parse(&a, input, &h) == 0) {
        ASSERT(h.size <= h.body_at && h.body_at <= input.n);
        for (size_t i = 0; i < h.n; i++) bodies(&a, h.field[i].body);
        rebuilt(&a, &h, input);
    }
    bodies(&a, input);
    ar_free(&a);
}
