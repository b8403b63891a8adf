/* list.c - a letter to a list becomes one letter to its members (list.h).
 *
 * The body stays as it is, and of the header section only the List- fields of others go: signatures of the
 * author's domain stay good, and DMARC holds without any From being written anew. Where nothing vouches for
 * it any more and the author's domain wants such letters refused, From becomes the list, as the list has it
 * set. What comes back goes to NAME-bounces, that is to the owner. */
#include "list.h"

#include <stdio.h>

#include "base/log.h"
#include "base/text.h"
#include "directory/maillist.h"
#include "dkim/dkim.h"
#include "dmarc/dmarc.h"
#include "mail/addr.h"
#include "mail/build.h"
#include "mail/encoded.h"
#include "queue/letter_source.h"
#include "store/store.h"
#include "trace/trace.h"

_Static_assert(400 * MAILLIST_MEMBERS_MAX + 3 * MAILLIST_BYTES_MAX <= LETTER_ROWS_MAX,
               "a list with as many members as it may have is one letter");

enum { PIECE = 16384, REFUSED_TOLD = 100 };

struct work {
    struct arena a;
    const struct list_hop *h;
    struct last_hop *d;
    struct maillist list;
    struct mail_head head;
    struct buf refused; /* members who cannot be written to, a line each */
    size_t nrefused, ndamaged;
};

/* ---- what it is made of ---- */

static int read_list(struct work *w)
{
    int e = maillist_get(w->h->store->directory, &w->a, w->d->address, &w->list);
    if (!e && !sl_eq(sl_cstr(w->list.id), sl_cstr(w->d->account + 2)))
        e = err_set(ERR_NOT_FOUND, "the list %.*s is another one now", SLF(w->d->address));
    /* a damaged row can be mended while the letter waits */
    return err_is_damage(e) ? err_set(ERR_BUSY, "the list %.*s cannot be read", SLF(w->d->address)) : e;
}

static int read_head(struct work *w)
{
    const struct letter *l = w->d->letter;
    struct slice bytes;
    int e = body_get(w->h->store->body, &l->body, l->head_size, &w->a, &bytes);
    return e ? e : mail_head_parse(&w->a, sl_from(bytes, l->skip), &w->head);
}

static int64_t read_rest(void *work, uint64_t at, void *p, size_t n)
{
    const struct work *w = work;
    const struct letter *l = w->d->letter;
    return body_read(w->h->store->body, &l->body, l->head_size + at, p, n);
}

static struct letter_source rest_of(struct work *w)
{
    const struct letter *l = w->d->letter;
    uint64_t all = body_ref_size(&l->body);
    return (struct letter_source){
        .size = all > l->head_size ? all - l->head_size : 0, .read = read_rest, .ctx = w};
}

/* Always the same for the same letter, list and purpose: the time of the letter, and chance made of these. */
static struct letter_id name_of(const struct work *w, const char *purpose)
{
    struct letter_id id = w->d->letter->id;
    char cause[sizeof id.s + sizeof w->list.id + 16];
    int n = snprintf(cause, sizeof cause, "%s %s %s", id.s, w->list.id, purpose);
    uint64_t h = hash_stable(sl(cause, (size_t)n), false);
    for (int i = LETTER_ID_LEN - 1; i >= 10; i--, h >>= 5)
        id.s[i] = "0123456789abcdefghijklmnopqrstuv"[h & 31];
    return id;
}

static struct slice name_at(struct work *w, const char *suffix)
{
    return mail_addr_join(&w->a, ar_printf(&w->a, "%.*s%s", SLF(w->list.local), suffix), w->list.domain);
}

/* ---- the header section ---- */

/* RFC 2369 section 4: those of a list before us say nothing about this one. */
static bool is_dropped(const struct mail_field *f)
{
    static const struct slice names[] = {SL_INIT("List-Id"),          SL_INIT("List-Post"),
                                         SL_INIT("List-Unsubscribe"), SL_INIT("List-Unsubscribe-Post"),
                                         SL_INIT("List-Owner"),       SL_INIT("List-Help"),
                                         SL_INIT("List-Subscribe"),   SL_INIT("List-Archive"),
                                         SL_INIT("X-Listed"),         SL_INIT("X-Junk")};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (sl_eqi(f->name, names[i])) return true;
    return false;
}

/* RFC 2919 section 3; RFC 2369 sections 3.2, 3.4, 3.5; RFC 2076 (Precedence). */
static void put_list_fields(struct work *w, struct buf *out)
{
    struct slice id = maillist_list_id(&w->a, &w->list), name = w->list.name;
    bool closed = w->list.post == MAILLIST_BY_SENDERS;
    mail_field(out, SL("Delivered-To"), w->list.address);
    mail_field(out, SL("List-Id"),
               ar_printf(&w->a, "%.*s%s<%.*s>", SLF(name.n ? mail_phrase_encode(&w->a, name) : name),
                         name.n ? " " : "", SLF(id)));
    mail_field(out, SL("List-Post"),
               closed ? SL("NO") : ar_printf(&w->a, "<mailto:%.*s>", SLF(w->list.address)));
    mail_field(out, SL("List-Unsubscribe"), ar_printf(&w->a, "<mailto:%.*s>", SLF(name_at(w, "-leave"))));
    mail_field(out, SL("List-Owner"), ar_printf(&w->a, "<mailto:%.*s>", SLF(name_at(w, "-owner"))));
    if (!mail_head_find(&w->head, SL("Precedence"), 0)) mail_field(out, SL("Precedence"), SL("list"));
}

static bool author_of(struct work *w, struct mail_addr *out)
{
    struct mail_addrs from;
    const struct mail_field *f = mail_head_find(&w->head, SL("From"), 0);
    if (!f || mail_addrs_parse(&w->a, f->body, &from) != 0 || !from.n) return false;
    *out = from.v[0];
    return true;
}

/* The list writes, in the author's name, who gets the answers. */
static void put_from(struct work *w, const struct mail_field *was, struct buf *out)
{
    struct mail_addr author = {0};
    struct slice body = mail_unfold(&w->a, was->body);
    bool known = author_of(w, &author);
    struct slice name = author.name.n ? mail_words_decode(&w->a, author.name) : author.local;
    struct mail_addr list = {.local = w->list.local, .domain = w->list.domain};
    list.name = ar_printf(&w->a, "%.*s via %.*s", SLF(known ? name : SL("somebody")),
                          SLF(w->list.name.n ? w->list.name : w->list.local));
    mail_field(out, SL("From"), mail_addr_text(&w->a, &list));
    mail_field(out, SL("X-Original-From"), body);
    if (!mail_head_find(&w->head, SL("Reply-To"), 0)) mail_field(out, SL("Reply-To"), body);
}

/* Without its empty line. */
static void put_head(struct work *w, bool from_list, struct buf *out)
{
    buf_clear(out);
    put_list_fields(w, out);
    for (size_t i = 0; i < w->head.n; i++) {
        const struct mail_field *f = &w->head.field[i];
        if (is_dropped(f)) continue;
        if (from_list && sl_eqi(f->name, SL("From"))) put_from(w, f, out);
        else buf_put(out, f->raw);
        if (out->n && out->p[out->n - 1] != '\n') buf_str(out, "\r\n");
    }
}

/* ---- would it be refused as it is? ---- */

/* What its signatures prove, behind what we did to the header section. */
static int verify(struct work *w, struct slice head, struct dkim_results *out)
{
    struct mail_head edited;
    struct letter_source rest = rest_of(w);
    int e = mail_head_parse(&w->a, head, &edited);
    if (e) return e;
    char *piece = ar_alloc(&w->a, PIECE);
    struct dkim_body *b = dkim_body_new(&w->a);
    struct dkim_verify *v = dkim_verify_new(&w->a, &edited, NULL, b);
    for (uint64_t at = 0; !e && at < rest.size;) {
        int64_t got = letter_source_read(&rest, at, piece, PIECE);
        if (got <= 0) e = got ? (int)got : ERR_CORRUPT;
        else dkim_body_add(b, sl(piece, (size_t)got)), at += (uint64_t)got;
    }
    dkim_body_end(b);
    return e ? e : dkim_verify_end(v, w->h->dns, out);
}

static size_t domains_with(const struct dkim_results *r, enum dkim_result result, struct slice *out)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        if (r->v[i].result == result && !r->v[i].testing) out[n++] = r->v[i].domain;
    return n;
}

/* What the author's domain wants done with the letter, with this to vouch for it. */
static int ask_domain(struct work *w, const struct dmarc_evidence *by, struct dmarc_result *out)
{
    struct dmarc_authors from;
    int e = dmarc_authors(&w->a, &w->head, &from);
    if (!e) e = dmarc_check(w->h->dns, &w->a, &from, by, out);
    if (!e && out->code == DMARC_TEMPERROR) e = err_set(ERR_DNS, "%.*s", SLF(out->why));
    return e;
}

static bool is_refused(const struct dmarc_result *r)
{
    return r->code == DMARC_FAIL && r->applied != DMARC_P_NONE;
}

static int is_vouched(struct work *w, struct slice head, bool *yes)
{
    struct dkim_results sigs = {0};
    struct dmarc_result r = {0};
    int e = verify(w, head, &sigs);
    if (e) return e;
    struct slice *pass = ar_array(&w->a, struct slice, sigs.n + 1),
                 *later = ar_array(&w->a, struct slice, sigs.n + 1);
    struct dmarc_evidence by = {.dkim_pass = pass,
                                .ndkim_pass = domains_with(&sigs, DKIM_PASS, pass),
                                .dkim_temperror = later,
                                .ndkim_temperror = domains_with(&sigs, DKIM_TEMPERROR, later)};
    e = ask_domain(w, &by, &r);
    *yes = !is_refused(&r);
    return e;
}

/* Of a domain of ours whose keys signed it on its way in; they sign it again. */
static bool is_ours(struct work *w)
{
    struct mail_addr author;
    return w->d->letter->signed_for.n && author_of(w, &author) &&
           sl_eqi(author.domain, w->d->letter->signed_for);
}

static int must_come_from_list(struct work *w, struct slice head, bool *yes)
{
    struct dmarc_evidence nothing = {0};
    struct dmarc_result r = {0};
    bool vouched = false;
    *yes = false;
    if (w->list.from == MAILLIST_FROM_KEPT || !w->h->dns || is_ours(w)) return 0;
    int e = ask_domain(w, &nothing, &r);
    if (e || !is_refused(&r)) return e;
    if (w->list.from != MAILLIST_FROM_STRICT) e = is_vouched(w, head, &vouched);
    *yes = !vouched;
    return e;
}

/* ---- the owner hears who cannot be written to ---- */

static void refused(void *work, struct slice to, struct slice why)
{
    struct work *w = work;
    if (w->nrefused++ < REFUSED_TOLD) buf_printf(&w->refused, "    %.*s: %.*s\r\n", SLF(to), SLF(why));
}

static void begin_notice(struct work *w, struct slice from, struct slice to, struct slice subject,
                         struct buf *b)
{
    uint64_t chance;
    int64_t now = rt_wall_seconds();
    rt_random(&chance, sizeof chance);
    mail_field(b, SL("From"), from);
    mail_field(b, SL("To"), to);
    mail_field(b, SL("Subject"), subject);
    mail_date_field(b, SL("Date"), now);
    mail_field(b, SL("Message-ID"), mail_message_id(&w->a, now, chance, w->list.domain));
    mail_field(b, SL("MIME-Version"), SL("1.0"));
    mail_field(b, SL("Content-Type"), SL("text/plain; charset=utf-8"));
    mail_field(b, SL("Content-Transfer-Encoding"), SL("8bit"));
}

/* 0: told, or nobody can be told. */
static int give(struct work *w, struct slice to, const struct buf *text, const char *purpose,
                struct slice what)
{
    struct letter_own own = {.id = name_of(w, purpose),
                             .to = to,
                             .text = buf_slice(text),
                             .what = what,
                             .smtputf8 = !is_ascii(buf_slice(text))};
    int e = w->h->take(w->h->take_ctx, &own);
    if (e != ERR_DENIED) return e;
    log_warn("list", "%.*s: %.*s cannot be told: %s", SLF(w->list.address), SLF(to), err_text(e));
    return 0;
}

static int tell_owner(struct work *w)
{
    struct buf b = BUF_INIT;
    if (!w->nrefused && !w->ndamaged) return 0;
    begin_notice(w, name_at(w, "-owner"), w->list.owner,
                 ar_printf(&w->a, "Members of %.*s who cannot be written to", SLF(w->list.address)), &b);
    mail_field(&b, SL("Auto-Submitted"), SL("auto-generated")); /* RFC 3834 section 5 */
    buf_printf(&b,
               "\r\nYou own the list %.*s. The letter %s was distributed, but not to these members:\r\n\r\n",
               SLF(w->list.address), w->d->letter->id.s);
    buf_put(&b, buf_slice(&w->refused));
    if (w->nrefused > REFUSED_TOLD) buf_printf(&b, "    and %zu more\r\n", w->nrefused - REFUSED_TOLD);
    if (w->ndamaged)
        buf_printf(&b, "    %zu whose rows are damaged: add them again (tram list member add)\r\n",
                   w->ndamaged);
    buf_printf(&b, "\r\ntram list member remove %.*s ADDRESS takes one off the list.\r\n",
               SLF(w->list.address));
    int e = give(w, w->list.owner, &b, "notice", SL("the notice about members of a list"));
    buf_free(&b);
    return e;
}

/* ---- distributing ---- */

static int members_of(struct work *w, struct slice **to, size_t *n)
{
    struct maillist_member *m;
    size_t all;
    int e = maillist_members(w->h->store->directory, &w->a, &w->list, &m, &all);
    if (e) return e;
    *to = ar_array(&w->a, struct slice, all);
    *n = 0;
    for (size_t i = 0; i < all; i++)
        if (m[i].address.n) (*to)[(*n)++] = m[i].address;
    w->ndamaged = all - *n;
    return 0;
}

static int send_to_all(struct work *w, struct slice text, bool from_list, const struct slice *to, size_t n)
{
    const struct letter *l = w->d->letter;
    struct letter_source rest = rest_of(w);
    bool ours = !from_list && is_ours(w);
    struct letter_many many = {.to = to,
                               .n = n,
                               .refused = refused,
                               .ctx = w,
                               .rest = &rest,
                               .binary = l->binary,
                               .sign_for = ours ? l->signed_for : w->list.domain};
    struct letter_own own = {.id = name_of(w, "letter"),
                             .sender = name_at(w, "-bounces"),
                             .many = &many,
                             .text = text,
                             .smtputf8 = l->smtputf8,
                             .wants = {.requiretls = l->wants.requiretls,
                                       .has_priority = l->wants.has_priority,
                                       .priority = l->wants.priority}};
    own.what = ar_printf(&w->a, "the letter %s, distributed by the list %.*s", l->id.s, SLF(w->list.address));
    int e = w->h->take(w->h->take_ctx, &own);
    if (e) return e;
    trace_addf(w->h->store->trace, &l->id, TRACE_REWRITTEN, w->list.address,
               "distributed as letter %s to %zu member%s%s", own.id.s, n - w->nrefused,
               n - w->nrefused == 1 ? "" : "s", from_list ? ", from the list's own address" : "");
    return 0;
}

static int distribute(struct work *w)
{
    struct buf text = BUF_INIT;
    struct slice *to;
    size_t n;
    bool from_list = false;
    w->d->where = "to the members of the list";
    int e = members_of(w, &to, &n);
    if (e || !n) return e ? e : tell_owner(w);
    put_head(w, false, &text);
    e = must_come_from_list(w, buf_slice(&text), &from_list);
    if (!e && from_list) put_head(w, true, &text);
    buf_str(&text, "\r\n");
    if (!e) e = send_to_all(w, buf_slice(&text), from_list, to, n);
    if (!e || w->nrefused == n)
        e = tell_owner(w); /* all of them: there is no letter, and who owns it hears why */
    buf_free(&text);
    return e;
}

/* ---- leaving ---- */

/* Who wrote is proven (intake/list.c), and hears of it: a letter in answer to his (RFC 3834). */
static int leave(struct work *w)
{
    struct mail_addr author;
    struct buf b = BUF_INIT;
    size_t gone;
    w->d->where = "as the wish to leave the list";
    if (!author_of(w, &author)) return 0;
    struct slice who = mail_addr_spec(&w->a, &author);
    int e = maillist_members_remove(w->h->store->directory, w->list.address, &who, 1, &gone);
    if (e) return e == ERR_SYNTAX ? 0 : e;
    begin_notice(w, name_at(w, "-owner"), who,
                 ar_printf(&w->a, "You have left the list %.*s", SLF(w->list.address)), &b);
    mail_field(&b, SL("Auto-Submitted"), SL("auto-replied"));
    if (w->d->letter->message_id.n) mail_field(&b, SL("In-Reply-To"), w->d->letter->message_id);
    buf_printf(&b, "\r\n%.*s is a member of the list %.*s no more, as your letter asked.\r\n", SLF(who),
               SLF(w->list.address));
    e = give(w, who, &b, "left", SL("the answer to who leaves a list"));
    buf_free(&b);
    return e;
}

int list_take(const struct list_hop *h, struct last_hop *d)
{
    struct work w = {.h = h, .d = d};
    d->before = false;
    d->where = "to a list";
    int e = read_list(&w);
    if (!e) e = read_head(&w);
    if (!e) e = maillist_is_leave(d->account) ? leave(&w) : distribute(&w);
    if (e) log_info("list", "%s to %.*s: %s", d->letter->id.s, SLF(d->address), err_text(e));
    buf_free(&w.refused);
    ar_free(&w.a);
    return e;
}
