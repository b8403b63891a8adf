/* submit.c - repairs and checks of a header section (RFC 6409 section 8, RFC 5322 3.6, RFC 8601 5). */
#include "submit.h"

#include "base/text.h"
#include "build.h"

/* The fields that may stand in a header section at most once (RFC 5322 section 3.6, RFC 2045). */
static const struct slice once[] = {
    SL_INIT("From"),         SL_INIT("Date"),
    SL_INIT("Sender"),       SL_INIT("Reply-To"),
    SL_INIT("To"),           SL_INIT("Cc"),
    SL_INIT("Bcc"),          SL_INIT("Message-ID"),
    SL_INIT("In-Reply-To"),  SL_INIT("References"),
    SL_INIT("Subject"),      SL_INIT("MIME-Version"),
    SL_INIT("Content-Type"), SL_INIT("Content-Transfer-Encoding"),
};

bool mail_submit_once(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(once); i++)
        if (sl_eqi(name, once[i])) return true;
    return false;
}

static int check_from(struct arena *a, const struct mail_head *h, struct mail_addrs *from)
{
    size_t n = mail_head_count(h, SL("From"));
    if (n == 0) return err_set(ERR_SYNTAX, "the letter has no From field");
    if (n > 1) return err_set(ERR_SYNTAX, "the letter has %zu From fields, it must have one", n);
    const struct mail_field *f = mail_head_find(h, SL("From"), 0);
    int e = mail_addrs_parse(a, f->body, from);
    if (e || !from->n || from->bad)
        return err_set(ERR_SYNTAX, "the From field does not hold a valid address");
    return 0;
}

static int check_fields(struct arena *a, const struct mail_head *h)
{
    for (size_t i = 0; i < h->n; i++)
        if (h->field[i].bad) {
            struct slice line = printable(a, sl_rtrim(h->field[i].raw), 60);
            return err_set(ERR_SYNTAX, "this line of the header is no field: %.*s", SLF(line));
        }
    for (size_t i = 0; i < COUNT_OF(once); i++)
        if (mail_head_count(h, once[i]) > 1)
            return err_set(ERR_SYNTAX, "the letter has more than one %.*s field", SLF(once[i]));
    return 0;
}

int mail_submit_check(struct arena *a, const struct mail_head *h, struct mail_addrs *from)
{
    int e = check_from(a, h, from);
    if (!e) e = check_fields(a, h);
    if (e) return e;
    if (from->n > 1 && !mail_head_find(h, SL("Sender"), 0))
        return err_set(ERR_SYNTAX, "From names several authors, then a Sender field must say who sends it");
    return 0;
}

int mail_from_check(struct arena *a, const struct mail_head *h, struct mail_addrs *from)
{
    int e = check_from(a, h, from);
    if (e) return e;
    for (size_t i = 1; i < from->n; i++)
        if (!sl_eqi(from->v[i].domain, from->v[0].domain))
            return err_set(ERR_SYNTAX, "the From field names authors of different domains");
    return 0;
}

bool mail_resent(const struct mail_head *h, struct mail_resent *out)
{
    *out = (struct mail_resent){0};
    size_t i = 0;
    while (i < h->n && !sl_startsi(h->field[i].name, SL("Resent-"))) i++;
    for (; i < h->n && sl_startsi(h->field[i].name, SL("Resent-")); i++) {
        const struct mail_field *f = &h->field[i];
        const struct mail_field **place = sl_eqi(f->name, SL("Resent-From"))     ? &out->from
                                          : sl_eqi(f->name, SL("Resent-Sender")) ? &out->sender
                                                                                 : NULL;
        if (place && *place) break; /* the block of who sent it again before */
        if (place) *place = f;
    }
    return out->from || out->sender;
}

/* ---- editing ---- */

/* What programs that sent by Amazon SES, Mailjet or SendGrid tell it in the message, and it takes out: it may
 * name other recipients, or hold what is known of them. */
static bool is_for_a_service(struct slice name)
{
    return sl_startsi(name, SL("X-SES-")) || sl_startsi(name, SL("X-MJ-")) ||
           sl_startsi(name, SL("X-Mailjet-")) || sl_eqi(name, SL("X-SMTPAPI"));
}

static bool is_removed(struct arena *a, const struct mail_field *f, const struct mail_edit *e)
{
    if (f->bad) return false;
    if (e->forged && e->forged(e->forged_arg, a, f)) return true;
    if ((e->submission || e->delivery) && sl_eqi(f->name, SL("Return-Path"))) return true;
    if (e->submission && is_for_a_service(f->name)) return true;
    /* RFC 5322 section 3.6.3: nobody but the sender's own copy shows whom Bcc named. */
    return e->submission && (sl_eqi(f->name, SL("Bcc")) || sl_eqi(f->name, SL("Resent-Bcc")));
}

static void put_raw(struct buf *out, struct slice raw)
{
    buf_put(out, raw);
    if (!sl_ends(raw, SL("\n"))) buf_str(out, sl_ends(raw, SL("\r")) ? "\n" : "\r\n");
}

/* RFC 6409 sections 8.2, 8.3. */
static int add_missing(struct arena *a, const struct mail_head *h, const struct mail_edit *e, struct buf *out)
{
    int n = 0;
    if (!mail_head_find(h, SL("Date"), 0)) {
        mail_date_field(out, SL("Date"), e->now);
        n++;
    }
    if (!mail_head_find(h, SL("Message-ID"), 0)) {
        mail_field(out, SL("Message-ID"), mail_message_id(a, e->now, e->random, e->domain));
        n++;
    }
    return n;
}

int mail_head_edit(struct arena *a, const struct mail_head *h, const struct mail_edit *e, struct buf *out)
{
    int n = 0;
    for (size_t i = 0; i < h->n; i++) {
        if (is_removed(a, &h->field[i], e)) n++;
        else put_raw(out, h->field[i].raw);
    }
    if (e->submission) n += add_missing(a, h, e, out);
    return n;
}
