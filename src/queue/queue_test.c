/* queue_test.c - letters through the queue with a relay made up by the test: results by the
 * recipient's local part. Time is real here; retries over days are in queue_sim.c. */
#include "mail/head.h"
#include "mail/mime.h"
#include "own_test.h"
#include "queue_i.h"
#include "store/origin.h"
#include "store/store_test.h"
#include "trace/trace.h"

struct tester {
    struct fixture f;
    struct own_way way;
    struct queue *q;
    int attempts, unfound, rcpts, under_way, most_under_way;
    bool slow;
    struct waitq slow_end;
    char first_host[64], bytes[600]; /* the first of the letter that was sent last */
    struct letter_source sent;
    size_t nbytes;
    struct letter_wants wants; /* of the last letter that was relayed */
};

static void fill(struct attempt_letter *at, struct attempt_rcpt *r)
{
    static const struct {
        struct slice local;
        enum attempt result;
        int code;
        const char *enhanced, *reply;
    } table[] = {
        {SL_INIT("temp"), ATTEMPT_TEMPORARY, 451, "4.7.1", "451 4.7.1 come back later"},
        {SL_INIT("perm"), ATTEMPT_PERMANENT, 550, "5.1.1", "550 5.1.1 no such user"},
        {SL_INIT("block"), ATTEMPT_PERMANENT, 550, "5.7.1", "550 5.7.1 Your IP is on our blacklist"},
        {SL_INIT("dead"), ATTEMPT_TEMPORARY, 0, "4.4.1", "nobody answers"},
        {SL_INIT("dns"), ATTEMPT_TEMPORARY, 0, "4.4.3", "DNS gave no answer"},
        {SL_INIT("tls"), ATTEMPT_TEMPORARY, 0, "4.7.10", "TLS did not come about"},
        {SL_INIT("own"), ATTEMPT_TEMPORARY, 0, "4.3.0", "the server is shutting down"},
        {SL_INIT("spf"), ATTEMPT_PERMANENT, 550, "5.7.23", "550 5.7.23 SPF validation failed"},
        {SL_INIT("fast"), ATTEMPT_PERMANENT, 550, "", "550 Connection frequency limited"},
        {SL_INIT("full"), ATTEMPT_TEMPORARY, 452, "4.2.2", "452 4.2.2 The mailbox is over its quota"},
        {SL_INIT("unsure"), ATTEMPT_UNCERTAIN, 0, "4.4.2", "the connection broke"},
        {SL_INIT(""), ATTEMPT_DELIVERED, 250, "2.0.0", "250 2.0.0 taken"},
    };
    size_t i = 0;
    while (!sl_starts(r->address, table[i].local)) i++;
    r->result = table[i].result;
    r->code = table[i].code;
    snprintf(r->enhanced, sizeof r->enhanced, "%s", table[i].enhanced);
    r->reply = sl_cstr(table[i].reply);
    r->host = ar_printf(at->a, "mx.%.*s [192.0.2.1]:25", SLF(at->domain));
}

static void fake_relay(void *ctx, struct attempt_letter *at)
{
    struct tester *t = ctx;
    bool shared = sl_find(at->domain, SL(".shared.test")) != SL_NONE;
    if (sl_starts(at->rcpt[0].address, SL("dns"))) { /* it never comes to a server */
        for (size_t i = 0; i < at->nrcpt; i++) fill(at, &at->rcpt[i]);
        t->unfound++;
        return;
    }
    if (!attempt_place(at, shared ? SL("mx.shared.test") : at->domain, at->domain)) return;
    attempt_asks(at);
    t->attempts++;
    CHECK(at->nrcpt >= 1 && at->nrcpt <= 100 && at->letter->rcpt == NULL);
    if (++t->under_way > t->most_under_way) t->most_under_way = t->under_way;
    if (t->slow && waitq_wait(&t->slow_end) != 0) t->slow = true;
    t->under_way--;
    snprintf(t->first_host, sizeof t->first_host, "%.*s", SLF(at->first_host));
    for (size_t i = 0; i < at->nrcpt; i++, t->rcpts++) fill(at, &at->rcpt[i]);
    t->wants = at->letter->wants;
    t->sent = (struct letter_source){.size = at->source->size, .head = at->source->head};
    int64_t n = letter_source_read(at->source, 0, t->bytes, sizeof t->bytes);
    t->nbytes = n > 0 ? (size_t)n : 0;
}

static int open_queue(struct tester *t, struct queue_conf c)
{
    t->way = (struct own_way){&t->f.s, &t->q};
    struct queue_conf own =
        own_way_queue(&t->way, 1); /* one: its loop is the test's: no locks in the tester */
    c.hostname = own.hostname, c.shards = c.shards ? c.shards : own.shards;
    c.take = own.take, c.take_ctx = own.take_ctx;
    c.deliver = own.deliver, c.deliver_ctx = own.deliver_ctx;
    return queue_open(&t->q, t->f.s, &c);
}

static bool begin(struct tester *t, const struct queue_conf *conf)
{
    *t = (struct tester){0};
    waitq_init(&t->slow_end);
    struct queue_conf c = conf ? *conf : (struct queue_conf){0};
    if (!fixture_begin(&t->f)) return false;
    CHECK_OK(domain_add(t->f.s->directory, SL("one.test")));
    CHECK_OK(account_add(t->f.s->directory, SL("alice@one.test"), SL("secret")));
    CHECK_OK(account_add(t->f.s->directory, SL("bob@one.test"), SL("secret")));
    CHECK_OK(open_queue(t, c));
    return t->q != NULL;
}

static void go(struct tester *t) { CHECK_OK(queue_start(t->q, fake_relay, t)); }

static void end(struct tester *t)
{
    queue_close(&t->q);
    fixture_end(&t->f);
}

#define TEXT "Return-Path: <x@one.test>\r\nSubject: test\r\n\r\nHello\r\n"

/* to: addresses separated by blanks; those of one.test are local. */
static struct letter letter_to(struct tester *t, const char *sender, const char *to)
{
    struct arena *a = &t->f.a;
    struct letter l = {.sender = sl_cstr(sender),
                       .received = rt_wall_seconds(),
                       .skip = 27,
                       .head_size = 45,
                       .message_id = SL("<m@one.test>"),
                       .subject = SL("test")};
    struct slice rest = sl_cstr(to), one;
    letter_id_new(&l.id);
    l.rcpt = ar_array(a, struct letter_rcpt, 300);
    while (sl_next(&rest, ' ', &one)) {
        struct slice local, domain;
        struct routes r = {0};
        size_t at = sl_rchr(one, '@');
        local = sl_sub(one, 0, at), domain = sl_from(one, at + 1);
        CHECK_OK(directory_resolve(t->f.s->directory, a, local, domain, &r));
        struct letter_rcpt *x = &l.rcpt[l.nrcpt++];
        x->address = one;
        x->route = r.result == RESOLVED ? r.v[0] : (struct route){.address = one};
    }
    CHECK_OK(body_put(t->f.s->body, BODY_MAIL, SL(TEXT), SL(""), &l.body));
    return l;
}

/* Gives the queue time until pred holds; false after 5 s. */
static bool until(struct tester *t, bool (*pred)(struct tester *t))
{
    for (int i = 0; i < 2500; i++) {
        if (pred(t)) return true;
        if (fiber_sleep(2 * RT_MS) != 0) return false;
    }
    return false;
}

static struct queue_stats stats(struct tester *t)
{
    struct queue_stats st;
    CHECK_OK(queue_stats(t->q, &st));
    return st;
}
/* Nothing is there, and those who took it away have also told of it. */
static bool is_empty(struct tester *t)
{
    struct queue_stats st = stats(t);
    return st.letters == 0 && st.sending == 0;
}
static bool one_deferred(struct tester *t) { return stats(t).deferred >= 1 && stats(t).sending == 0; }
static bool five_slow(struct tester *t) { return t->under_way >= 5; }
static bool none_under_way(struct tester *t) { return stats(t).sending == 0; }

static size_t inbox(struct tester *t, const char *address, struct message **out)
{
    struct account acc;
    struct mailbox box;
    size_t n = 0;
    CHECK_OK(account_get(t->f.s->directory, &t->f.a, sl_cstr(address), &acc));
    CHECK_OK(mailbox_find(t->f.s, acc.id, SL("INBOX"), &t->f.a, &box));
    CHECK_OK(message_list(t->f.s, (struct mailbox_ref){acc.id, box.id}, 1, 1000, &t->f.a, out, &n));
    return n;
}

static struct slice text_of(struct tester *t, const struct message *m)
{
    struct slice text = {0};
    CHECK_OK(body_get(t->f.s->body, &m->body, 100000, &t->f.a, &text));
    return text;
}

TEST(queue_letter_leaves_when_one_recipient_is_elsewhere)
{
    struct letter_rcpt rcpt[] = {{.route = {.local = true}}, {.route = {.address = SL("bob@two.test")}}};
    CHECK(letter_leaves(&(struct letter){.rcpt = rcpt, .nrcpt = 2}));
    CHECK(!letter_leaves(&(struct letter){.rcpt = rcpt, .nrcpt = 1}));
    CHECK(!letter_leaves(&(struct letter){0}));
}

TEST(queue_one_local_goes_straight)
{
    struct tester t;
    struct message *m;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "x@two.test", "bob@one.test");
    CHECK_OK(accept_letter(t.q, &l)); /* the schedule does not even run */
    REQUIRE(inbox(&t, "bob@one.test", &m) == 1);
    CHECK_SL(text_of(&t, &m[0]), TEXT);
    CHECK_INT(m[0].head_size, 45);
    CHECK(is_empty(&t));
    end(&t);
}

TEST(queue_attempt_gets_what_is_for_others)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "x@one.test", "carol@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    go(&t);
    CHECK(until(&t, is_empty));
    CHECK_SL(sl(t.bytes, t.nbytes), "Subject: test\r\n\r\nHello\r\n"); /* no Return-Path */
    CHECK_INT(t.sent.size, t.nbytes);
    CHECK_INT(t.sent.head, l.head_size - l.skip);
    end(&t);
}

TEST(queue_an_id_that_names_another_letter_loses_none)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "x@two.test", "carol@two.test"),
                  other = letter_to(&t, "y@two.test", "carol@two.test");
    other.id = l.id;
    CHECK_OK(accept_letter(t.q, &l));
    CHECK_ERR(accept_letter(t.q, &other), ERR_BUSY);
    letter_id_new(&other.id);
    CHECK_OK(accept_letter(t.q, &other));
    CHECK_INT(stats(&t).letters, 2);
    end(&t);
}

TEST(queue_an_id_that_was_delivered_before_loses_no_other_letter)
{
    struct tester t;
    struct message *m;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "x@two.test", "bob@one.test"), again = l;
    CHECK_OK(accept_letter(t.q, &l));
    CHECK_OK(body_pin(t.f.s->body, &again.body));
    CHECK_OK(accept_letter(t.q, &again));
    CHECK_INT(inbox(&t, "bob@one.test", &m), 1);
    struct letter other = letter_to(&t, "y@two.test", "bob@one.test");
    body_unpin(t.f.s->body, &other.body);
    CHECK_OK(body_put(t.f.s->body, BODY_MAIL, SL("Subject: another\r\n\r\none\r\n"), SL(""), &other.body));
    other.id = l.id;
    CHECK_OK(accept_letter(t.q, &other));
    CHECK_INT(inbox(&t, "bob@one.test", &m), 2);
    /* a letter of our own may be made anew, with another date: then it is the same */
    other.id = again.id = (struct letter_id){"0123456789abcdef"};
    other.once = again.once = true;
    CHECK_OK(accept_letter(t.q, &other));
    CHECK_OK(accept_letter(t.q, &again));
    CHECK_INT(inbox(&t, "bob@one.test", &m), 3);
    end(&t);
}

TEST(queue_local_and_remote)
{
    struct tester t;
    struct message *m;
    struct trace_event *ev;
    size_t nev;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test",
                                "bob@one.test alice@one.test ok@two.test fine@two.test ok@three.test");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    CHECK_INT(t.attempts, 2); /* two domains, one attempt each */
    CHECK_INT(t.rcpts, 3);
    CHECK_INT(inbox(&t, "bob@one.test", &m), 1);
    CHECK_INT(inbox(&t, "alice@one.test", &m), 1);
    CHECK_INT(stats(&t).delivered, 5);
    CHECK_INT(stats(&t).recipients, 0);
    CHECK_OK(trace_read(t.f.s->trace, &l.id, &t.f.a, &ev, &nev));
    size_t relayed = 0, delivered = 0;
    for (size_t i = 0; i < nev; i++)
        relayed += ev[i].kind == TRACE_RELAYED, delivered += ev[i].kind == TRACE_DELIVERED;
    CHECK(relayed == 3 && delivered == 2);
    end(&t);
}

TEST(queue_permanent_failure_bounces)
{
    struct tester t;
    struct message *m;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "perm@two.test ok@two.test perm2@three.test");
    l.ret = SL("FULL");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    REQUIRE(inbox(&t, "alice@one.test", &m) == 2); /* one a domain */
    struct slice text = text_of(&t, &m[0]);
    CHECK(sl_starts(text, SL("Return-Path: <>\r\n")));
    CHECK(sl_find(text, SL("550 5.1.1 no such user")) != SL_NONE);
    CHECK(sl_find(text, SL("mailer-daemon@one.test")) != SL_NONE);
    CHECK(sl_find(text, SL("Hello\r\n")) != SL_NONE && sl_find(text, SL("Return-Path: <x@")) == SL_NONE);
    CHECK_INT(stats(&t).bounced, 2);

    l = letter_to(&t, "", "perm@two.test"); /* nobody to tell */
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    l = letter_to(&t, "alice@one.test", "perm@two.test");
    l.rcpt[0].notify = NOTIFY_NEVER;
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    l = letter_to(&t, "ghost@one.test", "perm@two.test"); /* nobody of that name */
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    CHECK_INT(inbox(&t, "alice@one.test", &m), 2);
    CHECK_INT(t.attempts, 5);

    l = letter_to(&t, "someone@four.test", "perm@two.test"); /* the report goes out again */
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    CHECK_INT(t.attempts, 7);
    end(&t);
}

/* The reply's class chooses the words, the letter its language. */
TEST(queue_report_speaks_by_class_in_the_senders_language)
{
    struct tester t;
    struct message *m;
    struct buf words = BUF_INIT;
    struct mime_decoder d;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "block@two.test");
    struct slice text = SL("Content-Language: vi\r\nSubject: test\r\n\r\nHello\r\n");
    l.skip = 0, l.head_size = (uint32_t)mail_head_end(text);
    CHECK_OK(body_put(t.f.s->body, BODY_MAIL, text, SL(""), &l.body));
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    REQUIRE(inbox(&t, "alice@one.test", &m) == 1);
    text = text_of(&t, &m[0]);
    const struct mime_part *root = mime_parse(&t.f.a, text)->root, *part = root->child;
    REQUIRE(root->nchild == 3 && part->nlanguage == 1);
    CHECK_SL(part->language[0], "vi");
    mime_decode_begin(&d, part->encoding);
    mime_decode(&d, sl_sub(text, part->body_at, part->body_at + part->body_size), &words);
    mime_decode_end(&d, &words);
    CHECK(sl_find(buf_slice(&words), SL("Máy chủ bên nhận không tin cậy máy chủ đã gửi thư")) != SL_NONE);
    CHECK(sl_find(buf_slice(&words), SL("    550 5.7.1 Your IP is on our blacklist\r\n")) != SL_NONE);
    buf_free(&words);
    end(&t);
}

TEST(queue_reports_find_quoted_senders)
{
    struct tester t;
    struct message *m;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct slice target = SL("alice@one.test");
    static const char *const senders[] = {"\"a b\"@one.test",
                                          "\"\\\"bob\\\"\"@one.test"}; /* the second is not bob */
    for (size_t i = 0; i < COUNT_OF(senders); i++) {
        CHECK_OK(alias_add(t.f.s->directory, sl_cstr(senders[i]), &target, 1));
        struct letter l = letter_to(&t, senders[i], "perm@two.test");
        CHECK_OK(accept_letter(t.q, &l));
        CHECK(until(&t, is_empty));
        REQUIRE(inbox(&t, "alice@one.test", &m) == i + 1);
        CHECK(sl_find(text_of(&t, &m[i]), ar_printf(&t.f.a, "To: <%s>\r\n", senders[i])) != SL_NONE);
    }
    CHECK_INT(inbox(&t, "bob@one.test", &m), 0);
    end(&t);
}

/* RFC 8689 section 5: a report asks for TLS as its letter did, and tells the header section only. */
TEST(queue_reports_are_guarded_as_their_letters)
{
    struct tester t;
    struct queue_info info;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "sender@away.test", "perm@two.test");
    l.ret = SL("FULL");
    l.wants.requiretls = true;
    CHECK_OK(accept_letter(t.q, &l));
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    CHECK_SL(info.wants, "verified TLS all the way (REQUIRETLS)");
    go(&t);
    CHECK(until(&t, is_empty));
    CHECK_INT(t.attempts, 2);
    struct slice report = sl(t.bytes, t.nbytes);
    CHECK(t.wants.requiretls && sl_find(report, SL("report-type=delivery-status")) != SL_NONE);
    CHECK(sl_find(report, SL("Hello\r\n")) == SL_NONE);
    end(&t);
}

TEST(queue_success_report)
{
    struct tester t;
    struct message *m;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "bob@one.test");
    l.ret = SL("FULL"); /* not for a success (RFC 3461 section 4.3) */
    l.rcpt[0].notify = NOTIFY_SUCCESS;
    l.rcpt[0].orcpt = SL("rfc822;Bob@one.test");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    CHECK_INT(inbox(&t, "bob@one.test", &m), 1);
    REQUIRE(inbox(&t, "alice@one.test", &m) == 1);
    CHECK(sl_find(text_of(&t, &m[0]), SL("Action: delivered")) != SL_NONE);
    CHECK(sl_find(text_of(&t, &m[0]), SL("Hello\r\n")) == SL_NONE);
    end(&t);
}

/* Notes of refusals fill what may wait: those of a letter that is accepted go with its own transaction. */
TEST(queue_refusals_push_out_nothing_of_an_accepted_letter)
{
    static const char *const to[] = {"bob@one.test", "ok@two.test"};
    struct tester t;
    struct kv_stats k = {0};
    struct trace_event *e;
    size_t n;
    char big[60000];
    memset(big, 'x', sizeof big);
    REQUIRE(begin(&t, NULL));
    for (size_t i = 0; i < COUNT_OF(to); i++) {
        struct letter l = letter_to(&t, "alice@one.test", to[i]);
        struct trace_event in[] = {{.id = l.id, .kind = TRACE_RECEIVED, .sentence = SL("from a stranger")},
                                   {.id = l.id, .kind = TRACE_CHECKED, .sentence = SL("accept")}};
        uint64_t before = k.notes_dropped;
        for (int row = 0; k.notes_dropped == before; row++) {
            kv_note(t.f.s->kv, SL("refused"), ar_printf(&t.f.a, "%d", row), sl(big, sizeof big));
            kv_stats(t.f.s->kv, &k);
        }
        for (int row = 0; row < 6000; row++) kv_note(t.f.s->kv, SL("refused"), SL("small"), sl(big, 10));
        l.events = in;
        l.nevents = 2;
        CHECK_OK(accept_letter(t.q, &l));
        CHECK_OK(trace_read(t.f.s->trace, &l.id, &t.f.a, &e, &n));
        REQUIRE(n == 3);
        CHECK(e[0].kind == TRACE_RECEIVED && e[1].kind == TRACE_CHECKED);
        CHECK(e[2].kind == (i ? TRACE_QUEUED : TRACE_DELIVERED));
    }
    end(&t);
}

static int count_letter(void *n, const struct queue_info *info)
{
    (void)info;
    ++*(size_t *)n;
    return 0;
}

static size_t listed(struct tester *t, const struct queue_filter *f)
{
    size_t n = 0;
    CHECK_OK(queue_list(t->q, f, count_letter, &n));
    return n;
}

/* Nobody knows whether it was taken: it is counted, and found. */
TEST(queue_shows_what_is_uncertain)
{
    struct tester t;
    struct queue_info info;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "unsure@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, one_deferred));
    CHECK_INT(stats(&t).uncertain, 1);
    CHECK_INT(listed(&t, &(struct queue_filter){.uncertain = true}), 1);
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    CHECK(info.nrcpt == 1 && info.rcpt[0].uncertain);
    end(&t);
}

TEST(queue_waits_and_is_steered)
{
    struct tester t;
    struct queue_info info;
    size_t n;
    struct queue_filter all = {0}, domain = {.domain = SL("TWO.test")}, other = {.domain = SL("nine.test")};
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "temp@two.test ok@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, one_deferred));
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    REQUIRE(info.nrcpt == 2);
    CHECK_SL(info.rcpt[0].state, "waiting");
    CHECK_SL(info.rcpt[0].reply, "451 4.7.1 come back later");
    CHECK_SL(info.rcpt[0].host, "mx.two.test [192.0.2.1]:25");
    CHECK_INT(info.rcpt[0].attempts, 1);
    CHECK(!info.rcpt[0].uncertain);
    const struct queue_filter fits[] = {{.class = info.rcpt[0].class},
                                        {.host = SL("mx.two.test")},
                                        {.host = SL("Two.test"), .before = rt_wall_seconds() + 10},
                                        {.sender = SL("alice@one.test"), .host = SL("test")}};
    const struct queue_filter fits_not[] = {{.class = SL("nonsense")},
                                            {.host = SL("o.test")},
                                            {.uncertain = true},
                                            {.before = 1},
                                            {.address = SL("ok@two.test"), .host = SL("two.test")}};
    for (size_t i = 0; i < COUNT_OF(fits); i++) CHECK_INT(listed(&t, &fits[i]), 1);
    for (size_t i = 0; i < COUNT_OF(fits_not); i++) CHECK_INT(listed(&t, &fits_not[i]), 0);
    int64_t in = info.rcpt[0].next_try - rt_wall_seconds();
    CHECK(in >= 43 && in <= 73); /* a minute, give or take a fifth */
    CHECK_SL(info.rcpt[1].state, "delivered");
    CHECK_SL(info.subject, "test");
    CHECK_INT(info.size, sizeof TEXT - 1 - 27);
    int64_t lifetime = info.expires - info.received; /* it may have been a moment on its way in */
    CHECK(lifetime >= 5 * 86400 && lifetime <= 5 * 86400 + 60);
    CHECK_INT(listed(&t, &all), 1);
    CHECK_INT(listed(&t, &other), 0);

    CHECK_INT(t.attempts, 1);
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_RETRY));
    for (int i = 0; i < 1000 && t.attempts < 2; i++) fiber_sleep(RT_MS);
    CHECK_INT(t.attempts, 2);
    CHECK(until(&t, none_under_way));

    CHECK_OK(queue_act(t.q, &l.id, QUEUE_HOLD));
    CHECK_ERR(queue_act(t.q, &l.id, QUEUE_RETRY), ERR_STATE);
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    CHECK_SL(info.rcpt[0].state, "held");
    CHECK(info.rcpt[0].why.n > 0 && info.rcpt[0].next_try == 0);
    CHECK_INT(stats(&t).due, 0);
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_RELEASE));
    for (int i = 0; i < 1000 && t.attempts < 3; i++) fiber_sleep(RT_MS);
    CHECK_INT(t.attempts, 3);
    CHECK(until(&t, none_under_way));
    CHECK_OK(queue_act_all(t.q, &domain, QUEUE_DROP, &n));
    CHECK_INT(n, 1);
    CHECK(is_empty(&t));
    CHECK_ERR(queue_show(t.q, &l.id, &t.f.a, &info), ERR_NOT_FOUND);
    CHECK_ERR(queue_act(t.q, &l.id, QUEUE_RETRY), ERR_NOT_FOUND);
    struct message *m;
    CHECK_INT(inbox(&t, "alice@one.test", &m), 0); /* dropping tells nobody */
    end(&t);
}

TEST(queue_held_when_it_comes)
{
    struct tester t;
    struct queue_info info;
    struct message *m;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "ok@two.test alice@one.test ok@three.test");
    l.hold = SL("the moon is full");
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 1000 && inbox(&t, "alice@one.test", &m) == 0; i++) fiber_sleep(RT_MS);
    CHECK_INT(inbox(&t, "alice@one.test", &m), 1); /* what stays here is not held */
    CHECK(until(&t, none_under_way));
    CHECK_INT(t.attempts, 0);
    CHECK_INT(stats(&t).due, 0);
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    REQUIRE(info.nrcpt == 3);
    CHECK_SL(info.rcpt[0].state, "held");
    CHECK_SL(info.rcpt[0].why, "the moon is full");
    CHECK_SL(info.rcpt[1].state, "delivered");
    CHECK_SL(info.rcpt[2].state, "held");
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_RELEASE));
    CHECK(until(&t, is_empty));
    CHECK_INT(t.attempts, 2);

    l = letter_to(&t, "alice@one.test", "temp@two.test");
    l.hold = SL("the moon is full");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_RELEASE));
    CHECK(until(&t, one_deferred));
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_HOLD));
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    CHECK_SL(info.rcpt[0].why, "an operator holds it until it is released");
    end(&t);
}

TEST(queue_dropped_while_sending)
{
    struct tester t;
    struct queue_info info;
    REQUIRE(begin(&t, NULL));
    t.slow = true;
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "ok@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 1000 && !t.under_way; i++) fiber_sleep(RT_MS);
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    CHECK_SL(info.rcpt[0].state, "sending");
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_DROP));
    waitq_wake_all(&t.slow_end);
    CHECK(until(&t, none_under_way));
    CHECK(is_empty(&t));
    end(&t);
}

TEST(queue_many_recipients_in_portions)
{
    struct tester t;
    struct buf to = BUF_INIT;
    REQUIRE(begin(&t, NULL));
    go(&t);
    for (int i = 0; i < 250; i++) buf_printf(&to, "%sr%d@two.test", i ? " " : "", i);
    buf_char(&to, 0);
    struct letter l = letter_to(&t, "alice@one.test", to.p);
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, is_empty));
    CHECK_INT(t.attempts, 3);
    CHECK_INT(t.rcpts, 250);
    buf_free(&to);
    end(&t);
}

TEST(queue_slow_site_does_not_delay_others)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    t.slow = true;
    go(&t);
    for (int i = 0; i < 40; i++) {
        struct letter l = letter_to(&t, "alice@one.test", "ok@slow.test");
        CHECK_OK(accept_letter(t.q, &l));
    }
    CHECK(until(&t, five_slow));
    t.slow = false;
    struct letter l = letter_to(&t, "alice@one.test", "ok@fast.test");
    int before = t.rcpts;
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 1000 && t.rcpts == before; i++) fiber_sleep(RT_MS);
    CHECK_INT(t.rcpts, before + 1);
    CHECK(t.most_under_way <= 6); /* so many are tried at once at first */
    while (!is_empty(&t) && t.under_way) {
        waitq_wake_all(&t.slow_end);
        if (fiber_sleep(RT_MS) != 0) break;
    }
    CHECK(until(&t, is_empty));
    end(&t);
}

static struct letter_id sent(struct tester *t, const char *to)
{
    int before = t->attempts;
    struct letter l = letter_to(t, "alice@one.test", to);
    CHECK_OK(accept_letter(t->q, &l));
    for (int i = 0; i < 500 && (t->attempts == before || !none_under_way(t)); i++) fiber_sleep(RT_MS);
    return l.id;
}

static struct slice why_of(struct tester *t, const struct letter_id *id)
{
    struct queue_info info;
    CHECK_OK(queue_show(t->q, id, &t->f.a, &info));
    return info.nrcpt ? info.rcpt[0].why : SL("");
}

/* The rest of a list is not refused one by one because the host has a bad name. */
TEST(queue_site_that_refuses_us_rests)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    go(&t);
    for (int i = 0; i < 3; i++) sent(&t, "block@two.test block-too@two.test");
    CHECK_INT(t.attempts, 3);
    struct letter_id id = sent(&t, "ok@two.test");
    CHECK_INT(t.attempts, 3);
    struct slice why = why_of(&t, &id);
    CHECK(sl_find(why, SL("refuses us, not the recipient")) != SL_NONE);
    CHECK(sl_find(why, SL("on our blacklist")) != SL_NONE && sl_find(why, SL("until 2")) != SL_NONE);
    sent(&t, "ok@three.test"); /* another site */
    CHECK_INT(t.attempts, 4);
    end(&t);
}

/* A list is not bounced one by one because our domain is set up wrongly; other domains go on. */
TEST(queue_site_that_refuses_a_sender_domain_gets_none_of_it_for_a_while)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    go(&t);
    for (int i = 0; i < 3; i++) sent(&t, "spf@two.test");
    struct letter_id id = sent(&t, "ok@two.test");
    CHECK_INT(t.attempts, 3);
    struct slice why = why_of(&t, &id);
    CHECK(sl_find(why, SL("refuses what one.test sends")) != SL_NONE);
    CHECK(sl_find(why, SL("SPF validation failed")) != SL_NONE && sl_find(why, SL("until 2")) != SL_NONE);
    struct letter l = letter_to(&t, "x@six.test", "ok@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 500 && t.attempts < 4; i++) fiber_sleep(RT_MS);
    CHECK_INT(t.attempts, 4);
    sent(&t, "ok@three.test");
    CHECK_INT(t.attempts, 5);
    end(&t);
}

TEST(queue_site_that_is_down_is_tried_when_an_operator_wants_it)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    go(&t);
    for (int i = 0; i < 3; i++) sent(&t, "dead@two.test");
    struct letter_id id = sent(&t, "ok@two.test");
    CHECK_INT(t.attempts, 3);
    CHECK(sl_find(why_of(&t, &id),
                  SL("does not answer, one letter tries from time to time: nobody answers")) != SL_NONE);
    CHECK_OK(queue_act(t.q, &id, QUEUE_RETRY));
    for (int i = 0; i < 500 && t.attempts < 4; i++) fiber_sleep(RT_MS);
    CHECK_INT(t.attempts, 4);
    end(&t);
}

/* What a letter asks for and our own trouble say nothing against the site: others go on. */
TEST(queue_site_is_not_down_for_what_a_letter_asks)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    go(&t);
    for (int i = 0; i < 4; i++) sent(&t, "tls@two.test");
    for (int i = 0; i < 4; i++) sent(&t, "own@two.test");
    sent(&t, "ok@two.test");
    CHECK_INT(t.attempts, 9);
    end(&t);
}

/* The DNS of one domain fails: others with the same servers go on. */
TEST(queue_site_is_not_down_for_the_dns_of_a_domain)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    t.slow = true;
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "ok@a.shared.test");
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 1000 && !t.under_way; i++) fiber_sleep(RT_MS);
    for (int k = 1; k <= 3; k++) {
        l = letter_to(&t, "alice@one.test", "dns@a.shared.test");
        CHECK_OK(accept_letter(t.q, &l));
        for (int i = 0; i < 1000 && (t.unfound < k || stats(&t).sending > 1); i++) fiber_sleep(RT_MS);
    }
    CHECK_INT(t.unfound, 3);
    t.slow = false;
    l = letter_to(&t, "alice@one.test", "ok@b.shared.test");
    CHECK_OK(accept_letter(t.q, &l));
    for (int i = 0; i < 500 && t.attempts < 2; i++) fiber_sleep(RT_MS);
    CHECK_INT(t.attempts, 2);
    l = letter_to(&t, "alice@one.test", "ok@a.shared.test"); /* it waits: nobody knows where it goes */
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(sl_find(why_of(&t, &l.id), SL("DNS gave no answer")) != SL_NONE);
    waitq_wake_all(&t.slow_end);
    CHECK(until(&t, none_under_way));
    end(&t);
}

static size_t notes(struct tester *t)
{
    struct kv_page page;
    CHECK_OK(kv_scan(t->f.s->kv, SL("q:000"), SL("s"), SL("t"), 10, &t->f.a, &page));
    return page.n;
}

/* What was not sent is not taken for perhaps sent when the machine dies. */
TEST(queue_attempt_that_found_no_room_leaves_no_note)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    go(&t);
    for (int i = 0; i < 3; i++) sent(&t, "dead@two.test");
    struct letter_id id = sent(&t, "ok@two.test");
    CHECK_INT(t.attempts, 3);
    CHECK_OK(queue_act(t.q, &id, QUEUE_HOLD)); /* notes are written with it */
    CHECK_INT(notes(&t), 0);
    end(&t);
}

TEST(queue_site_that_refuses_addresses_does_not_rest)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    go(&t);
    for (int i = 0; i < 5; i++) sent(&t, "perm@two.test");
    for (int i = 0; i < 2; i++) sent(&t, "block@two.test");
    sent(&t, "ok@two.test"); /* one is taken: the row is broken */
    for (int i = 0; i < 2; i++) sent(&t, "block@two.test");
    sent(&t, "ok@two.test");
    CHECK_INT(t.attempts, 11);
    end(&t);
}

TEST(queue_survives_being_reopened)
{
    struct tester t;
    struct queue_info info;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "alice@one.test", "unsure@two.test ok@three.test");
    CHECK_OK(accept_letter(t.q, &l)); /* never started */
    queue_close(&t.q);
    CHECK_OK(open_queue(&t, (struct queue_conf){.shards = 5}));
    CHECK_INT(t.q->nshards, 1); /* fixed when the store was made */
    go(&t);
    CHECK(until(&t, one_deferred));
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    REQUIRE(info.nrcpt == 2);
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_RETRY));
    for (int i = 0; i < 1000 && t.attempts < 3; i++) fiber_sleep(RT_MS);
    CHECK_SL(sl_cstr(t.first_host), "mx.two.test [192.0.2.1]:25"); /* the same host first */
    end(&t);
}

static int count_ref(void *arg, struct slice letter_name, struct slice ref)
{
    CHECK(letter_id_ok(letter_name));
    struct body_ref r;
    CHECK_OK(body_ref_parse(ref, &r));
    ++*(int *)arg;
    return 0;
}

TEST(queue_names_its_bodies)
{
    struct tester t;
    int n = 0;
    REQUIRE(begin(&t, NULL));
    for (int i = 0; i < 3; i++) {
        struct letter l = letter_to(&t, "alice@one.test", "ok@two.test");
        CHECK_OK(accept_letter(t.q, &l));
        CHECK_OK(accept_letter(t.q, &l)); /* the same id: the same letter */
    }
    struct care_queue care = queue_care(t.q);
    CHECK_OK(care.refs(care.ctx, t.f.s, count_ref, &n));
    CHECK_INT(n, 3);
    CHECK_INT(stats(&t).letters, 3);
    CHECK_INT(stats(&t).due, 3);
    end(&t);
}

/* ---- damaged rows ---- */

struct spoiling {
    struct slice key, value;
};

static int spoil_tx(struct kv_tx *tx, void *arg)
{
    struct spoiling *x = arg;
    if (x->value.n) kv_tx_put(tx, x->key, x->value);
    else kv_tx_del(tx, x->key);
    return 0;
}

/* A row becomes what a damaged disk may give back; value "": it is not there any more. */
static void spoil(struct tester *t, struct slice key, const char *value)
{
    struct spoiling x = {key, sl_cstr(value)};
    CHECK_OK(kv_transact(t->f.s->kv, SL("q:000"), spoil_tx, &x));
}

static void heard(void *arg, const char *sentence) { buf_printf(arg, "%s\n", sentence); }

static size_t due_rows(struct tester *t)
{
    struct kv_page page;
    CHECK_OK(kv_scan(t->f.s->kv, SL("q:000"), SL("d"), SL("e"), 10, &t->f.a, &page));
    return page.n;
}

static bool nothing_due(struct tester *t) { return due_rows(t) == 0 && stats(t).sending == 0; }

enum spoiled { ENVELOPE, GROUP, NO_GROUP, RCPT, NO_ENVELOPE, SPOILED };

static struct slice spoil_one(struct tester *t, const struct letter_id *id, enum spoiled what)
{
    struct arena *a = &t->f.a;
    struct slice key = what == ENVELOPE || what == NO_ENVELOPE ? queue_key_envelope(a, id)
                       : what == RCPT                          ? queue_key_rcpt(a, id, 0, 0)
                                                               : queue_key_group(a, id, 0);
    spoil(t, key, what == NO_GROUP || what == NO_ENVELOPE ? "" : "\1x");
    return key;
}

/* Of two letters one is damaged: the server starts, the other is delivered, the damaged one is not tried
 * for ever, is seen, says why, can be held and dropped. */
TEST(queue_damaged_rows_stop_nothing_and_can_be_dropped)
{
    for (enum spoiled what = 0; what < SPOILED; what++) {
        struct tester t;
        struct queue_info info;
        struct message *m;
        struct buf said = BUF_INIT;
        REQUIRE(begin(&t, NULL));
        struct letter bad = letter_to(&t, "alice@one.test", "ok@two.test"),
                      good = letter_to(&t, "", "bob@one.test");
        good.rcpt[0].notify = NOTIFY_SUCCESS; /* by way of the queue */
        CHECK_OK(accept_letter(t.q, &bad));
        CHECK_OK(accept_letter(t.q, &good));
        kv_note(t.f.s->kv, SL("q:000"), queue_key_sending(&t.f.a, &bad.id, 0),
                SL("1")); /* it died in an attempt */
        kv_note(t.f.s->kv, SL("q:000"), SL("s-damaged"), SL("1"));
        struct slice key = spoil_one(&t, &bad.id, what);
        queue_close(&t.q);
        CHECK_OK(open_queue(&t, (struct queue_conf){.shards = 1}));
        go(&t);
        CHECK(until(&t, nothing_due) || what == RCPT);
        CHECK_INT(inbox(&t, "bob@one.test", &m), 1);
        CHECK_INT(t.attempts, 0);
        CHECK_OK(queue_show(t.q, &bad.id, &t.f.a, &info));
        CHECK(sl_find(info.damage, SL("cannot be read or is missing")) != SL_NONE);
        CHECK(info.nrcpt == 1 && sl_eq(info.rcpt[0].state, what == RCPT ? SL("damaged") : SL("waiting")));
        CHECK_INT(listed(&t, &(struct queue_filter){0}), 1);
        CHECK_ERR(queue_verify(t.q, t.f.s, heard, &said), 0);
        CHECK(sl_find(buf_slice(&said), key) != SL_NONE || what == NO_GROUP || what == NO_ENVELOPE);
        int e = queue_act(t.q, &bad.id, QUEUE_HOLD);
        CHECK(what == RCPT ? e == ERR_STATE : e == 0);
        CHECK_OK(queue_act(t.q, &bad.id, QUEUE_DROP));
        CHECK_ERR(queue_show(t.q, &bad.id, &t.f.a, &info), ERR_NOT_FOUND);
        buf_clear(&said);
        CHECK_OK(queue_verify(t.q, t.f.s, heard, &said));
        CHECK_SL(buf_slice(&said), "");
        buf_free(&said);
        end(&t);
    }
}

static bool first_is_done(struct tester *t) { return t->attempts == 1 && stats(t).sending == 0; }

TEST(queue_damaged_recipient_hides_no_other)
{
    struct tester t;
    struct queue_info info;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "alice@one.test", "ok@two.test also@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    spoil(&t, queue_key_rcpt(&t.f.a, &l.id, 0, 0), "\1x");
    go(&t);
    CHECK(until(&t, first_is_done));
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    REQUIRE(info.nrcpt == 2);
    CHECK_SL(info.rcpt[0].state, "damaged");
    CHECK_SL(info.rcpt[1].state, "delivered");
    CHECK_OK(queue_act(t.q, &l.id, QUEUE_DROP));
    CHECK_INT(stats(&t).letters, 0);
    end(&t);
}

TEST(queue_refuses_fields_above_their_limits)
{
    struct tester t;
    char *long_text = xcalloc(1, 70000);
    memset(long_text, 'x', 70000);
    REQUIRE(begin(&t, NULL));
    static const size_t over[] = {LIMIT_MESSAGE_ID + 1, 65415, 67000};
    for (size_t i = 0; i < COUNT_OF(over); i++) {
        struct letter l = letter_to(&t, "alice@one.test", "alice@one.test bob@one.test");
        l.message_id = sl(long_text, over[i]);
        CHECK_ERR(accept_letter(t.q, &l), ERR_TOO_LONG);
        l.message_id = SL("<m@one.test>");
        l.envid = sl(long_text, LIMIT_ENVID + 1);
        CHECK_ERR(accept_letter(t.q, &l), ERR_TOO_LONG);
        l.envid = SL("");
        l.rcpt[1].orcpt = sl(long_text, LIMIT_ORCPT + 1);
        CHECK_ERR(accept_letter(t.q, &l), ERR_TOO_LONG);
    }
    CHECK_INT(stats(&t).letters, 0);
    free(long_text);
    end(&t);
}

TEST(queue_store_that_fails)
{
    struct tester t;
    REQUIRE(begin(&t, NULL));
    struct letter l = letter_to(&t, "alice@one.test", "ok@two.test");
    kv_mem_inject(t.f.s->kv, KV_FAULT_FULL, 1);
    CHECK_ERR(accept_letter(t.q, &l), ERR_FULL);
    CHECK(is_empty(&t));
    kv_mem_inject(t.f.s->kv, KV_FAULT_UNKNOWN_DONE, 1);
    CHECK_OK(accept_letter(t.q, &l));
    CHECK_INT(stats(&t).letters, 1);
    letter_id_new(&l.id);
    CHECK_OK(body_put(t.f.s->body, BODY_MAIL, SL(TEXT), SL(""), &l.body));
    kv_mem_inject(t.f.s->kv, KV_FAULT_UNKNOWN_NOT_DONE, 1);
    CHECK_ERR(accept_letter(t.q, &l), ERR_UNKNOWN);
    kv_mem_inject(t.f.s->kv, KV_FAULT_RERUN, 1);
    CHECK_OK(accept_letter(t.q, &l));
    CHECK_INT(stats(&t).letters, 2);
    CHECK_INT(stats(&t).recipients, 2);
    struct letter direct = letter_to(&t, "x@two.test", "bob@one.test");
    kv_mem_inject(t.f.s->kv, KV_FAULT_UNKNOWN_DONE, 1);
    CHECK_OK(accept_letter(t.q, &direct)); /* its name tells that it is there */
    direct = letter_to(&t, "x@two.test", "bob@one.test");
    kv_mem_inject(t.f.s->kv, KV_FAULT_WRITE_DONE, 1);
    kv_mem_refuse(t.f.s->kv, ERR_FULL, 3);
    CHECK_ERR(accept_letter(t.q, &direct), ERR_UNKNOWN); /* not ERR_FULL, what the second try says */
    end(&t);
}

TEST(queue_moves_table)
{
    static const struct {
        enum q_state from, to;
        bool legal;
    } t[] = {
        {Q_WAITING, Q_WAITING, true}, {Q_WAITING, Q_DELIVERED, true}, {Q_WAITING, Q_FAILED, true},
        {Q_WAITING, Q_HELD, true},    {Q_WAITING, Q_DROPPED, true},   {Q_WAITING, Q_BOUNCED, false},
        {Q_HELD, Q_WAITING, true},    {Q_HELD, Q_BOUNCED, false},     {Q_FAILED, Q_BOUNCED, true},
        {Q_FAILED, Q_WAITING, false}, {Q_FAILED, Q_DELIVERED, false}, {Q_FAILED, Q_HELD, false},
    };
    for (size_t i = 0; i < COUNT_OF(t); i++) CHECK(q_may_move(t[i].from, t[i].to) == t[i].legal);
    for (int to = 0; to < Q_STATES; to++) /* an end is an end */
        CHECK(!q_may_move(Q_DELIVERED, to) && !q_may_move(Q_BOUNCED, to) && !q_may_move(Q_DROPPED, to));
    CHECK(!q_is_end(Q_WAITING) && !q_is_end(Q_HELD) && !q_is_end(Q_FAILED) && q_is_end(Q_DROPPED));
}

TEST(queue_retry_grows)
{
    struct queue q = {.retry_first_s = 300, .retry_most_s = 14400};
    int64_t last = 0;
    for (uint32_t n = 1; n < 40; n++) {
        int64_t s = retry_interval(&q, n, 0, 0);
        CHECK(s >= 240 && s <= 14400 * 6 / 5);
        if (n % 4 == 0 && n < 10) {
            CHECK(s > last);
            last = s;
        }
    }
    CHECK(retry_interval(&q, 30, 0, 0) >= 14400 * 4 / 5);
    CHECK(retry_interval(&q, 1, 10, 20) >= 3000 * 4 / 5); /* a full mailbox, for example */
    CHECK(retry_interval(&q, 30, 10, 20) <= 6000 * 6 / 5);
    CHECK(retry_interval(&q, 1, 1000, 0) <= 14400 * 6 / 5);
}

/* The class, and the rule that decided, stand in the recipient's row; a 5yz that speaks of a moment is
 * tried again, and each class has its own wait. */
TEST(queue_understands_replies)
{
    struct tester t;
    struct queue_info info;
    REQUIRE(begin(&t, NULL));
    go(&t);
    struct letter l = letter_to(&t, "alice@one.test", "fast@two.test full@two.test");
    CHECK_OK(accept_letter(t.q, &l));
    CHECK(until(&t, one_deferred));
    CHECK_OK(queue_show(t.q, &l.id, &t.f.a, &info));
    REQUIRE(info.nrcpt == 2);
    for (size_t i = 0; i < 2; i++) {
        bool fast = sl_starts(info.rcpt[i].address, SL("fast"));
        int64_t in = info.rcpt[i].next_try - info.rcpt[i].last_try, want = fast ? 5 * 60 : 60 * 60;
        CHECK_SL(info.rcpt[i].state, "waiting");
        CHECK_SL(info.rcpt[i].class, fast ? "rate" : "full");
        CHECK_SL(info.rcpt[i].rule, fast ? "tencent/frequency" : "words/over-quota");
        CHECK(in >= want * 4 / 5 && in <= want * 6 / 5 + 1);
    }
    end(&t);
}

TEST(queue_rows_round_trip)
{
    struct arena a = {0};
    struct buf b = BUF_INIT;
    struct letter_id id;
    letter_id_new(&id);
    struct q_rcpt r2 = {.g = 3,
                        .n = 77,
                        .state = Q_HELD,
                        .address = SL("x@y"),
                        .attempts = 4,
                        .code = 451,
                        .uncertain = true,
                        .barred = true,
                        .reply = SL("451 no")},
                  r;
    q_rcpt_put(&b, &r2);
    CHECK_OK(q_rcpt_get(queue_key_rcpt(&a, &id, 3, 77), buf_slice(&b), &r));
    CHECK(r.g == 3 && r.n == 77 && r.state == Q_HELD && r.attempts == 4 && r.code == 451 && r.uncertain &&
          r.barred && !r.expired);
    CHECK_SL(r.reply, "451 no");
    for (size_t n = 0; n < b.n; n++) /* damage is seen or harmless, never a crash */
        if (q_rcpt_get(queue_key_rcpt(&a, &id, 3, 77), sl_sub(buf_slice(&b), 0, n), &r) == 0)
            CHECK(r.state < Q_STATES);
    CHECK_ERR(q_rcpt_get(SL("r"), buf_slice(&b), &r), ERR_CORRUPT);
    struct q_due due = {.due = 1234,
                        .stream = STREAM_BULK,
                        .id = id,
                        .g = 5,
                        .hop = SL("two.test"),
                        .domain = SL("one.test"),
                        .account = SL("acc1")},
                 got;
    struct slice key = queue_key_due(&a, due.stream, due.due, &id, 5);
    q_due_put(&b, &due);
    CHECK_OK(q_due_get(key, buf_slice(&b), &got));
    CHECK(got.due == 1234 && got.g == 5 && got.stream == STREAM_BULK && !got.local && !got.tell);
    CHECK_SL(got.hop, "two.test");
    CHECK_SL(got.domain, "one.test");
    CHECK_SL(got.account, "acc1");
    CHECK_SL(sl_cstr(got.id.s), id.s);
    CHECK_ERR(q_due_get(SL("d"), buf_slice(&b), &got), ERR_CORRUPT);
    CHECK_ERR(q_due_get(SL("d300000001234/0123456789abcdef/00005"), buf_slice(&b), &got), ERR_CORRUPT);
    buf_free(&b);
    ar_free(&a);
}

TEST(the_origin_of_a_letter_has_its_whole_envelope)
{
    struct letter_rcpt rcpt[] = {
        {.address = SL("asked@one.test"),
         .route = {.local = true, .account = "acc1", .address = SL("me@one.test"), .detail = SL("tag")}},
        {.address = SL("you@two.test"),
         .route = {.address = SL("you@two.test")},
         .notify = NOTIFY_FAILURE,
         .orcpt = SL("rfc822;you")}};
    struct letter l = {.sender = SL("me@one.test"),
                       .rcpt = rcpt,
                       .nrcpt = 2,
                       .skip = 3,
                       .head_size = 20,
                       .received = 1700000000,
                       .eight_bit = true,
                       .binary = true,
                       .signed_for = SL("one.test"),
                       .wants = {.requiretls = true,
                                 .tls_optional = true,
                                 .hold_until = 1700000100,
                                 .hold_for = 100,
                                 .by = 1700000200,
                                 .by_mode = 'R',
                                 .by_trace = true,
                                 .has_priority = true,
                                 .priority = -9},
                       .junk = true,
                       .stream = STREAM_BULK,
                       .submitter = SL("acc1"),
                       .message_id = SL("<m@one.test>"),
                       .subject = SL("s"),
                       .ret = SL("HDRS"),
                       .envid = SL("e")},
                  got;
    struct buf b = BUF_INIT;
    struct arena a = {0};
    struct rec r;
    letter_id_new(&l.id);
    CHECK_OK(letter_origin(&b, &l));
    CHECK(origin_open(buf_slice(&b), &r) == ORIGIN_LETTER);
    CHECK_OK(letter_origin_get(&r, &a, &got));
    CHECK(!strcmp(got.id.s, l.id.s) && sl_eq(got.sender, l.sender) && got.skip == 3 && got.head_size == 20);
    CHECK(got.received == l.received && got.eight_bit && got.binary && got.junk && !got.smtputf8 &&
          got.nrcpt == 2);
    CHECK(sl_eq(got.submitter, l.submitter) && got.stream == l.stream &&
          sl_eq(got.message_id, l.message_id) && sl_eq(got.ret, l.ret));
    CHECK(sl_eq(got.subject, l.subject) && sl_eq(got.envid, l.envid));
    const struct letter_wants *w = &got.wants;
    CHECK(w->hold_until == 1700000100 && w->hold_for == 100 && w->by == 1700000200 && w->by_mode == 'R');
    CHECK(w->by_trace && w->has_priority && w->priority == -9);
    CHECK(got.wants.requiretls && got.wants.tls_optional && sl_eq(got.signed_for, l.signed_for));
    const struct letter_rcpt *one = &got.rcpt[0], *two = &got.rcpt[1];
    CHECK(one->route.local && !strcmp(one->route.account, "acc1") && sl_eq(one->route.detail, SL("tag")));
    CHECK(sl_eq(one->address, SL("asked@one.test")) && sl_eq(one->route.address, SL("me@one.test")));
    CHECK(!two->route.local && sl_eq(two->address, SL("you@two.test")) && two->notify == NOTIFY_FAILURE);
    CHECK(sl_eq(two->orcpt, SL("rfc822;you")));
    for (size_t n = 1; n < b.n; n++) /* what is cut short is no whole letter, whatever it says */
        if (origin_open(sl(b.p, n), &r) == ORIGIN_LETTER && letter_origin_get(&r, &a, &got) == 0)
            CHECK(got.nrcpt == 1 && n < b.n);
    ar_free(&a);
    buf_free(&b);
}

/* What fits the rows of the queue fits the record of the body: nobody is refused after the last byte. */
TEST(the_largest_envelope_fits_its_origin)
{
    static const struct {
        size_t n, address, route, orcpt;
    } c[] = {{10000, 320, 10, 0}, {10000, 10, 10, 60}, {2800, 320, 320, 500}};
    char *text = xmalloc(1000);
    memset(text, 'x', 1000);
    for (size_t k = 0; k < COUNT_OF(c); k++) {
        struct letter_rcpt *rcpt = xcalloc(c[k].n, sizeof *rcpt);
        for (size_t i = 0; i < c[k].n; i++)
            rcpt[i] = (struct letter_rcpt){.address = sl(text, c[k].address),
                                           .route = {.address = sl(text + 1, c[k].route)},
                                           .notify = NOTIFY_FAILURE,
                                           .orcpt = sl(text, c[k].orcpt)};
        struct letter l = {.rcpt = rcpt, .nrcpt = c[k].n, .sender = sl(text, 320), .subject = sl(text, 500)};
        struct buf b = BUF_INIT;
        letter_id_new(&l.id);
        CHECK_OK(letter_origin(&b, &l));
        CHECK(b.n > c[k].n * (c[k].route + c[k].orcpt) && b.n <= BODY_ORIGIN_MAX);
        buf_free(&b);
        free(rcpt);
    }
    free(text);
}

static int spoil_shards(struct kv_tx *tx, void *arg)
{
    const char *text = arg;
    if (*text) kv_tx_put(tx, SL("queue-shards"), sl_cstr(text));
    else kv_tx_del(tx, SL("queue-shards"));
    return 0;
}

/* The letters know in how many shards they lie. */
TEST(a_damaged_or_lost_number_of_shards_stops_no_start)
{
    struct tester t;
    struct letter_id ids[6];
    struct queue_info info;
    int shards;
    if (!begin(&t, &(struct queue_conf){.shards = 5})) return;
    for (size_t i = 0; i < COUNT_OF(ids); i++) {
        struct letter l = letter_to(&t, "alice@one.test", "x@two.test");
        ids[i] = l.id;
        CHECK_OK(accept_letter(t.q, &l));
    }
    const char *spoilt[] = {"five", "", "0", "70000"};
    for (size_t k = 0; k < COUNT_OF(spoilt); k++) {
        queue_close(&t.q);
        CHECK_OK(kv_transact(t.f.s->kv, SL("_store"), spoil_shards, (void *)spoilt[k]));
        CHECK_OK(open_queue(&t, (struct queue_conf){.shards = 8}));
        CHECK_OK(queue_shards(t.f.s, 8, &shards));
        for (size_t i = 0; i < COUNT_OF(ids); i++) CHECK_OK(queue_show(t.q, &ids[i], &t.f.a, &info));
    }
    end(&t);
}

/* ---- walks ---- */

struct walking {
    struct tester *t;
    size_t seen;
    int result;
};

static int stop_after_some(void *arg, const struct queue_info *info)
{
    struct walking *x = arg;
    (void)info;
    return ++x->seen == 3 ? ERR_EOF : 0;
}

static void retry_all(void *arg)
{
    struct walking *x = arg;
    x->result = queue_act_all(x->t->q, &(struct queue_filter){0}, QUEUE_HOLD, &x->seen);
}

TEST(queue_walks_end_when_nobody_wants_them_any_more)
{
    enum { LETTERS = 10 };
    struct tester t;
    struct walking x = {.t = &t};
    struct group g;
    REQUIRE(begin(&t, NULL));
    for (int i = 0; i < LETTERS; i++) {
        struct letter l = letter_to(&t, "alice@one.test", "ok@two.test");
        CHECK_OK(accept_letter(t.q, &l));
    }
    CHECK_INT(listed(&t, &(struct queue_filter){.limit = 4}), 4);
    CHECK_ERR(queue_list(t.q, &(struct queue_filter){0}, stop_after_some, &x), ERR_EOF);
    CHECK_INT(x.seen, 3);
    group_init(&g);
    CHECK_OK(group_go(&g, "retry", retry_all, &x));
    group_cancel(&g); /* the server is to stop */
    (void)group_wait(&g);
    CHECK_ERR(x.result, ERR_CANCELED);
    CHECK_INT(x.seen, 0);
    CHECK_INT(listed(&t, &(struct queue_filter){0}), LETTERS);
    end(&t);
}

static enum stream stream_of(const char *head, const struct letter_wants *w)
{
    struct arena a;
    struct mail_head h;
    ar_init(&a, 0);
    CHECK_OK(mail_head_parse(&a, sl_cstr(head), &h));
    enum stream s = letter_stream(&a, &h, w);
    ar_free(&a);
    return s;
}

TEST(queue_knows_bulk_by_its_head_and_by_a_low_priority)
{
    const struct letter_wants none = {0}, low = {.has_priority = true, .priority = -1},
                              high = {.has_priority = true, .priority = 4};
    CHECK_INT(stream_of("Subject: x\r\n\r\n", &none), STREAM_TRANSACTIONAL);
    CHECK_INT(stream_of("Precedence: first-class\r\n\r\n", &none), STREAM_TRANSACTIONAL);
    CHECK_INT(stream_of("precedence:  Bulk\r\n\r\n", &none), STREAM_BULK);
    CHECK_INT(stream_of("Precedence: list\r\n\r\n", &none), STREAM_BULK);
    CHECK_INT(stream_of("Precedence: junk\r\n\r\n", &none), STREAM_BULK);
    CHECK_INT(stream_of("List-Id: <l.x.test>\r\n\r\n", &high), STREAM_BULK);
    CHECK_INT(stream_of("Subject: x\r\n\r\n", &low), STREAM_BULK);
    CHECK_INT(stream_of("Subject: x\r\n\r\n", &high), STREAM_TRANSACTIONAL);
}
