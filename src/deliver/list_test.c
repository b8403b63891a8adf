/* list_test.c - what a list makes of a letter: fields, From where it must be the list's, who is told of what.
 */
#include "list.h"

#include "base/log.h"
#include "directory/maillist.h"
#include "queue/letter_source.h"
#include "store/store_test.h"

struct taken { /* what was handed to the way in */
    struct arena a;
    unsigned count;
    struct letter_id id;
    struct slice sender, to, text, rest, sign_for;
    size_t n;
    int fail_with;
    struct slice refuse; /* this member */
};

static int take(void *ctx, const struct letter_own *own)
{
    struct taken *t = ctx;
    char piece[100];
    if (t->fail_with) return err_set(t->fail_with, "the test says no");
    t->count++;
    t->id = own->id;
    t->sender = ar_dup(&t->a, own->sender);
    t->to = ar_dup(&t->a, own->to);
    t->text = ar_dup(&t->a, own->text);
    t->rest = SL("");
    t->n = 0;
    if (!own->many) return 0;
    t->n = own->many->n;
    t->sign_for = ar_dup(&t->a, own->many->sign_for);
    for (size_t i = 0; i < t->n; i++)
        if (sl_eq(own->many->to[i], t->refuse))
            own->many->refused(own->many->ctx, t->refuse, SL("nobody has that name"));
    int64_t got = letter_source_read(own->many->rest, 0, piece, sizeof piece);
    if (got > 0) t->rest = ar_dup(&t->a, sl(piece, (size_t)got));
    return 0;
}

struct world {
    struct fixture f;
    struct taken t;
    struct list_hop hop;
    struct dns *dns;
    struct maillist list;
    struct letter l;
    struct last_hop d;
};

static const char zone[] = "$ORIGIN test.\n$TTL 300\n@ SOA ns.test. root.test. 1 2 3 4 5\n"
                           "_dmarc.strict TXT \"v=DMARC1; p=reject\"\n"
                           "_dmarc.lax TXT \"v=DMARC1; p=none\"\n"
                           ";! servfail _dmarc.silent.test.\n";

static bool begin(struct world *w)
{
    struct maillist l = {.address = SL("dev@one.test"),
                         .owner = SL("boss@one.test"),
                         .name = SL("Die Entwickler"),
                         .hourly = MAILLIST_HOURLY};
    struct slice who[] = {SL("a@far.test"), SL("b@far.test"), SL("c@far.test")};
    size_t n;
    *w = (struct world){0};
    log_set_level(LOG_ERROR);
    if (!fixture_begin(&w->f)) return false;
    CHECK_OK(dns_open_zone_text(&w->dns, sl_cstr(zone)));
    CHECK_OK(domain_add(w->f.s->directory, SL("one.test")));
    CHECK_OK(maillist_add(w->f.s->directory, &l));
    CHECK_OK(maillist_members_add(w->f.s->directory, l.address, who, COUNT_OF(who), &n));
    CHECK_OK(maillist_get(w->f.s->directory, &w->f.a, l.address, &w->list));
    w->hop = (struct list_hop){w->f.s, take, &w->t, w->dns};
    return true;
}

static void end(struct world *w)
{
    dns_close(&w->dns);
    ar_free(&w->t.a);
    fixture_end(&w->f);
}

static int hand(struct world *w, const char *kind, const char *head)
{
    static const char local[] = "Return-Path: <x@strict.test>\r\n";
    char account[20];
    snprintf(account, sizeof account, "%s%s", kind, w->list.id);
    struct slice text = ar_printf(&w->f.a, "%s%s\r\nbody\r\n", local, head);
    w->l = (struct letter){.id = {"0123456789abcdef"},
                           .sender = SL("x@strict.test"),
                           .skip = sizeof local - 1,
                           .head_size = (uint32_t)text.n - 6,
                           .signed_for = w->l.signed_for};
    CHECK_OK(body_put(w->f.s->body, BODY_QUEUE, text, SL(""), &w->l.body));
    w->d = (struct last_hop){
        .letter = &w->l, .account = account, .address = SL("dev@one.test"), .name = SL("n")};
    int e = list_take(&w->hop, &w->d);
    body_unpin(w->f.s->body, &w->l.body);
    return e;
}

static bool has(const struct world *w, const char *what)
{
    return sl_find(w->t.text, sl_cstr(what)) != SL_NONE;
}

TEST(list_says_what_it_is_and_leaves_the_letter_as_it_was)
{
    struct world w;
    REQUIRE(begin(&w));
    CHECK_OK(hand(&w, MAILLIST_POST,
                  "Received: from x\r\nList-Id: <old.list.test>\r\nList-Unsubscribe: <mailto:x@y.test>\r\n"
                  "From: Carol <carol@lax.test>\r\nSubject: s\r\n"));
    CHECK_INT(w.t.count, 1);
    CHECK_INT(w.t.n, 3);
    CHECK_SL(w.t.sender, "dev-bounces@one.test");
    CHECK_SL(w.t.sign_for, "one.test");
    CHECK_SL(w.t.rest, "body\r\n");
    CHECK_SL(w.t.text, "Delivered-To: dev@one.test\r\n"
                       "List-Id: Die Entwickler <dev.one.test>\r\n"
                       "List-Post: <mailto:dev@one.test>\r\n"
                       "List-Unsubscribe: <mailto:dev-leave@one.test>\r\n"
                       "List-Owner: <mailto:dev-owner@one.test>\r\n"
                       "Precedence: list\r\n"
                       "Received: from x\r\n"
                       "From: Carol <carol@lax.test>\r\nSubject: s\r\n\r\n");
    struct letter_id first = w.t.id;
    CHECK(strcmp(first.s, w.l.id.s) != 0);
    CHECK_OK(hand(&w, MAILLIST_POST, "From: carol@lax.test\r\n"));
    CHECK_SL(sl_cstr(w.t.id.s), first.s); /* the same letter, however often */
    end(&w);
}

TEST(list_writes_itself_where_nothing_would_vouch_for_the_author)
{
    struct world w;
    struct maillist set = {.address = SL("dev@one.test"), .from = MAILLIST_FROM_KEPT};
    REQUIRE(begin(&w));
    CHECK_OK(hand(&w, MAILLIST_POST, "From: =?utf-8?q?J=C3=BCrgen?= <j@strict.test>\r\nSubject: s\r\n"));
    CHECK(has(&w, "From: =?") && has(&w, "<dev@one.test>\r\n") &&
          !has(&w, "\r\nFrom: =?utf-8?q?J=C3=BCrgen?= <j@"));
    CHECK(has(&w, "\r\nReply-To: =?utf-8?q?J=C3=BCrgen?= <j@strict.test>\r\n"));
    CHECK(has(&w, "\r\nX-Original-From: "));
    CHECK_OK(hand(&w, MAILLIST_POST, "From: j@strict.test\r\nReply-To: k@strict.test\r\n"));
    CHECK(has(&w, "From: j via Die Entwickler <dev@one.test>\r\n"));
    CHECK(has(&w, "\r\nReply-To: k@strict.test\r\n") && !has(&w, "Reply-To: j@"));
    /* what our keys sign again keeps its author */
    w.l.signed_for = SL("strict.test");
    CHECK_OK(hand(&w, MAILLIST_POST, "From: j@strict.test\r\n"));
    CHECK(has(&w, "\r\nFrom: j@strict.test\r\n"));
    CHECK_SL(w.t.sign_for, "strict.test");
    w.l.signed_for = SL("");
    /* what the domain wants is not known now: later, not wrongly */
    CHECK(err_is_temporary(hand(&w, MAILLIST_POST, "From: j@silent.test\r\n")));
    CHECK_OK(maillist_set(w.f.s->directory, &set, MAILLIST_SET_FROM));
    CHECK_OK(hand(&w, MAILLIST_POST, "From: j@strict.test\r\n"));
    CHECK(has(&w, "\r\nFrom: j@strict.test\r\n"));
    CHECK_OK(hand(&w, MAILLIST_POST, "From: j@silent.test\r\n"));
    end(&w);
}

TEST(list_tells_its_owner_who_cannot_be_written_to)
{
    struct world w;
    REQUIRE(begin(&w));
    w.t.refuse = SL("b@far.test");
    CHECK_OK(hand(&w, MAILLIST_POST, "From: carol@lax.test\r\n"));
    CHECK_INT(w.t.count, 2);
    CHECK_SL(w.t.to, "boss@one.test");
    CHECK_SL(w.t.sender, "");
    CHECK(has(&w, "    b@far.test: nobody has that name\r\n") && has(&w, "Auto-Submitted: auto-generated"));
    w.t.fail_with = ERR_FULL; /* and comes again when it cannot be taken now */
    CHECK_INT(hand(&w, MAILLIST_POST, "From: carol@lax.test\r\n"), ERR_FULL);
    end(&w);
}

TEST(list_forgets_who_leaves_and_says_so)
{
    struct world w;
    size_t n;
    struct maillist_member *m;
    REQUIRE(begin(&w));
    for (int i = 0; i < 2; i++) { /* the second time it is done already */
        CHECK_OK(hand(&w, MAILLIST_LEAVE, "From: A <a@far.test>\r\n"));
        CHECK_SL(w.t.to, "a@far.test");
        CHECK_SL(w.t.sender, "");
        CHECK(has(&w, "Auto-Submitted: auto-replied") && has(&w, "You have left the list dev@one.test"));
        CHECK_OK(maillist_members(w.f.s->directory, &w.f.a, &w.list, &m, &n));
        CHECK_INT(n, 2);
    }
    CHECK_OK(maillist_remove(w.f.s->directory, SL("dev@one.test")));
    CHECK_INT(hand(&w, MAILLIST_POST, "From: carol@lax.test\r\n"), ERR_NOT_FOUND);
    end(&w);
}
