/* inbound_take.c - a letter handed to its URL: one attempt (inbound.h). */
#include "base/log.h"
#include "body/body.h"
#include "fetch/fetch.h"
#include "inbound_i.h"
#include "numbers.h"
#include "send_i.h"
#include "webhook_i.h"

enum {
    ANSWER_MAX = 64 << 10,
};
#define ANSWER_WITHIN (30 * RT_S)
#define ROOM_LOOK (RT_S / 4)

struct handing {
    struct sends *s;
    struct last_hop *d;
    struct arena a, text; /* text: of the letter, until the form is made */
    struct inbound in;
    struct es256 *key;
    struct inbound_letter letter;
    struct buf body; /* what is signed: the time, and behind it the form */
    struct inbound_place place;
    struct slice when, signature;
    bool handed;
};

/* ---- the call ---- */

/* On a thread. */
static int build(void *arg)
{
    struct handing *x = arg;
    buf_put(&x->body, x->when);
    inbound_form(&x->body, &x->letter);
    if (x->body.over) return err_set(ERR_TOO_LONG, "the letter is too large for its webhook");
    return webhook_sign(x->key, &x->a, buf_slice(&x->body), &x->signature);
}

static int make_form(struct handing *x)
{
    const struct letter *l = x->d->letter;
    struct slice whole;
    uint64_t random[2];
    int e = body_get(x->s->store->body, &l->body, SIZE_MAX, &x->text, &whole);
    if (e) return e;
    rt_random(random, sizeof random);
    x->when = ar_printf(&x->a, "%lld", (long long)rt_wall_seconds());
    x->letter = (struct inbound_letter){.text = sl_from(whole, l->skip),
                                        .from = l->sender,
                                        .to = x->d->address,
                                        .hostname = x->s->hostname,
                                        .raw = x->in.raw,
                                        .spam_check = x->in.spam_check,
                                        .junk = l->junk};
    x->letter.boundary =
        ar_printf(&x->a, "tram-%016llx%016llx", (unsigned long long)random[0], (unsigned long long)random[1]);
    return offload_for(POOL_DISK, sl_hash(x->in.account) | 1, build, x);
}

/* For the sender too, who is a stranger: nothing of the URL. */
static const char *failure(int e)
{
    switch (e) {
    case ERR_TIMEOUT: return "did not answer in time";
    case ERR_TLS: return "shows a certificate that is not believed";
    case ERR_NOT_FOUND:
    case ERR_DNS: return "is not to be found in the DNS";
    case ERR_DENIED: return "is at an address that is not of the world";
    case ERR_USAGE: return "has a URL that is not allowed";
    default: return "cannot be reached";
    }
}

static int call(struct handing *x)
{
    struct slice type = ar_printf(&x->a, "multipart/form-data; boundary=%.*s", SLF(x->letter.boundary));
    const struct fetch_field fields[] = {{SL("Content-Type"), type},
                                         {SL("User-Agent"), SL("Tram")},
                                         {SL("X-Tram-Delivery"), x->d->name},
                                         {SL("X-Twilio-Email-Event-Webhook-Signature"), x->signature},
                                         {SL("X-Twilio-Email-Event-Webhook-Timestamp"), x->when}};
    struct fetch_answer answer = {0};
    struct fetch_request q = {.method = SL("POST"),
                              .url = x->in.url,
                              .field = fields,
                              .nfield = COUNT_OF(fields),
                              .body = sl_from(buf_slice(&x->body), x->when.n),
                              .size_max = ANSWER_MAX,
                              .timeout = ANSWER_WITHIN,
                              .asker = sl_hash(x->in.account) | 1,
                              .clear = x->s->webhook_private,
                              .private_hosts = x->s->webhook_private};
    int e = fetch(x->s->fetch, &x->a, &q, &answer);
    if (e == ERR_CANCELED) return e;
    if (e)
        log_info("send", "%s: not handed to the URL of %.*s: %s", x->d->letter->id.s, SLF(x->in.name),
                 err_text(e));
    if (e) return err_set(ERR_BUSY, "its webhook %s", failure(e));
    if (answer.status < 200 || answer.status > 299)
        return err_set(ERR_BUSY, "its webhook answered %d", answer.status);
    x->d->where = "to its webhook";
    x->handed = true;
    return 0;
}

static int look(struct handing *x)
{
    es256_free(&x->key);
    int e = inbound_read(x->s, sl_from(sl_cstr(x->d->account), 1), &x->a, &x->in, &x->key);
    if (!e) e = inbound_holds(x->s, &x->in);
    return e == ERR_NOT_FOUND ? err_set(e, "nothing takes its mail any more") : e;
}

/* Who waited looks again: it may be another's now. */
static int wait_for_room(struct handing *x)
{
    int e = 0;
    bool waited = false;
    while (!e && !inbound_room_granted(x->s->inbound_room, &x->place)) {
        e = fiber_sleep(ROOM_LOOK);
        waited = true;
    }
    return !e && waited ? look(x) : e;
}

static int in_its_place(struct handing *x)
{
    int e = wait_for_room(x);
    if (e) return e;
    e = make_form(x);
    ar_free(&x->text);
    inbound_room_shrink(x->s->inbound_room, &x->place, x->body.n + ANSWER_MAX);
    return e ? e : call(x);
}

static int hand_over(struct handing *x)
{
    uint64_t size = body_ref_size(&x->d->letter->body), form = INBOUND_FORM_TIMES * size + INBOUND_FORM_MORE;
    if (!x->s->fetch) return err_set(ERR_BUSY, "no webhook is told anything here");
    uint64_t work = 16 * size < INBOUND_WORK ? 16 * size : INBOUND_WORK;
    int e = inbound_room_ask(x->s->inbound_room, x->in.account, size + form + work, &x->place);
    if (e) return e;
    buf_init(&x->body, form);
    e = in_its_place(x);
    buf_free(&x->body);
    inbound_room_leave(x->s->inbound_room, &x->place);
    return e;
}

/* ---- what nobody takes ---- */

static int file(struct handing *x)
{
    struct last_hop own = *x->d;
    char id[sizeof x->d->letter->rcpt->route.account];
    if (!x->in.account.n || x->in.account.n >= sizeof id) return ERR_CORRUPT;
    memcpy(id, x->in.account.p, x->in.account.n);
    id[x->in.account.n] = 0;
    own.account = id;
    own.detail = SL("");
    int e = x->s->file(x->s->file_ctx, &own);
    x->d->where = own.where;
    x->d->before = own.before;
    return e;
}

static bool has_waited(const struct handing *x)
{
    return rt_wall_seconds() - x->d->letter->received >= x->s->inbound_keep;
}

static int one_attempt(struct handing *x)
{
    bool too_large = body_ref_size(&x->d->letter->body) > INBOUND_LETTER_MAX;
    if (x->in.mailbox && x->s->file && (too_large || has_waited(x))) return file(x);
    if (too_large)
        return err_set(ERR_TOO_LONG, "its webhook takes letters up to %d MB", INBOUND_LETTER_MAX >> 20);
    int e = hand_over(x);
    return e == ERR_TOO_LONG && x->in.mailbox && x->s->file ? file(x) : e;
}

/* It is handed over whatever becomes of the figure. */
static void count(struct handing *x)
{
    int e = numbers_received(x->s, x->in.account);
    if (e) log_warn("send", "%s was handed over and is not counted: %s", x->d->letter->id.s, err_text(e));
}

int inbound_take(struct sends *s, struct last_hop *d)
{
    struct handing x = {.s = s, .d = d};
    ASSERT(last_hop_calls(d->account));
    d->before = false;
    int e = look(&x);
    if (!e) e = one_attempt(&x);
    if (e == ERR_VERSION) e = err_set(ERR_CORRUPT, "what is known of its webhook cannot be read");
    if (!e && d->tell) e = kv_transact(s->store->kv, SL(SENDS_OBJECT), d->tell, d->tell_arg);
    if (!e && x.handed) count(&x);
    es256_free(&x.key);
    ar_free(&x.text);
    ar_free(&x.a);
    return e;
}
