/* change.c - STORE, COPY, MOVE, EXPUNGE (RFC 9051 section 6.4; RFC 4315, RFC 6851, RFC 7162). */
#include <stdio.h>
#include <stdlib.h>

#include "imapd_i.h"

static bool only_to_read(struct imapd_session *s)
{
    if (s->read_only) imapd_no(s, "READ-ONLY", "the mailbox was opened by EXAMINE");
    return s->read_only;
}

/* One's own annotations need the right r alone. */
static bool only_looked_at(struct imapd_session *s) { return s->examined && only_to_read(s); }

/* Is one of these rights on the selected mailbox missing? Then NO was answered. */
static bool lacks(struct imapd_session *s, unsigned need)
{
    int e = acl_allow(s->rights, need);
    if (e) imapd_failed(s, e);
    return e;
}

/* ---- store ---- */

static bool has_uid(struct uids u, uint32_t uid)
{
    size_t from = 0, to = u.n;
    while (from < to) {
        size_t mid = from + (to - from) / 2;
        if (u.v[mid] < uid) from = mid + 1;
        else to = mid;
    }
    return from < u.n && u.v[from] == uid;
}

/* The new flags, to the client that set them: all of them, or with .SILENT only what it needs
 * to know the change by (RFC 7162 section 3.1.3). */
static void tell_stored(struct imapd_session *s, const struct imap_store *args, const struct imapd_picked *p,
                        const uint64_t *before, struct uids failed)
{
    for (size_t k = 0; k < p->n; k++) {
        size_t i = p->at[k];
        struct view_msg m = view_at(s->view, i);
        if (has_uid(failed, m.uid)) continue;
        if (before && m.flags != before[k]) continue; /* others changed them: that is news */
        view_told(s->view, i);
        if (args->silent && !s->condstore) continue;
        imapd_put_fetch(s, i, s->uid || s->condstore);
        if (!args->silent) {
            buf_str(&s->out, "FLAGS ");
            imapd_put_flags(s, i);
        }
        if (!args->annotates && s->annotates) imapd_put_annotated(s, i);
        if (s->condstore)
            buf_printf(&s->out, "%sMODSEQ (%llu)", args->silent ? "" : " ", (unsigned long long)m.modseq);
        buf_str(&s->out, ")\r\n");
        if (s->out.n > IMAPD_CHUNK) imapd_flush(s);
        fiber_breathe();
    }
    if (s->out.n) imapd_flush(s);
}

/* "MODIFIED 7,9", in sequence numbers unless the command was UID STORE. */
static char *modified_code(struct imapd_session *s, struct uids failed)
{
    struct buf b = BUF_INIT;
    uint32_t *number = ar_array(&s->a, uint32_t, failed.n);
    for (size_t i = 0; i < failed.n; i++)
        number[i] = s->uid ? failed.v[i] : (uint32_t)view_find(s->view, failed.v[i]) + 1;
    buf_str(&b, "MODIFIED ");
    imap_put_set(&b, number, failed.n);
    char *code = ar_cstr(&s->a, buf_slice(&b));
    buf_free(&b);
    return code;
}

static enum flags_op op_of(const struct imap_store *args)
{
    return args->op == '+' ? FLAGS_ADD : args->op == '-' ? FLAGS_REMOVE : FLAGS_REPLACE;
}

static int store_flags(struct imapd_session *s, const struct imap_store *args, const struct imapd_picked *p,
                       struct uids *failed)
{
    const struct imap_flags *f = &args->flags;
    const struct flags_change change = {.op = op_of(args),
                                        .bits = f->system,
                                        .keyword = f->keyword,
                                        .n = f->n,
                                        .unchanged_since = args->unchanged_since};
    if (!p->n) return 0;
    if (args->conditional && !args->unchanged_since) { /* 0 is older than every message */
        *failed = (struct uids){p->uid, p->n};
        return 0;
    }
    unsigned need = (f->system & IMAP_SEEN ? ACL_SEEN : 0) | (f->system & IMAP_DELETED ? ACL_MARK : 0) |
                    (f->n || f->system & ~(unsigned)(IMAP_SEEN | IMAP_DELETED) ? ACL_WRITE : 0);
    if (!args->op) need = ACL_SEEN | ACL_MARK | ACL_WRITE;
    return message_flags(s->server->conf.store, imapd_acting(s, s->view->acc, s->view->box, need),
                         (struct uids){p->uid, p->n}, &change, &s->a, failed);
}

/* What the rights on the mailbox leave of the change (RFC 4314 section 4). *rest: what has to be taken away
 * besides, when the flags are to be replaced but not all of them may be touched. false: NO was answered. */
static bool allowed(struct imapd_session *s, struct imap_store *args, struct imap_flags *rest)
{
    static const unsigned system = IMAP_SEEN | IMAP_ANSWERED | IMAP_FLAGGED | IMAP_DELETED | IMAP_DRAFT;
    unsigned may = (unsigned)imapd_may_flag(s->rights) & system;
    *rest = (struct imap_flags){0};
    if (s->rights & ACL_SEEN && s->rights & ACL_MARK && s->rights & ACL_WRITE) return true;
    if (!args->op && args->conditional) {
        imapd_no(s, "NOPERM", "not all flags may be changed here: add or remove them one by one");
        return false;
    }
    bool any = args->flags.system & may || (args->flags.n && s->rights & ACL_WRITE);
    if (!args->op && may) {
        rest->system = may & ~args->flags.system;
        if (s->rights & ACL_WRITE) rest->keyword = s->keyword, rest->n = s->nkeywords;
        args->op = '+';
        any = true;
    }
    args->flags.system &= may;
    if (!(s->rights & ACL_WRITE)) args->flags.n = 0;
    if (!any) imapd_no(s, "NOPERM", "none of these flags may be changed here");
    return any;
}

static void answer_stored(struct imapd_session *s, const struct imapd_picked *p, struct uids failed)
{
    if (failed.n) imapd_ok(s, modified_code(s, failed), "some were changed meanwhile");
    else if (p->cut) imapd_ok(s, imapd_limit_code(s, p->cut), "stored for as many as one command may");
    else imapd_ok(s, p->missing ? "EXPUNGEISSUED" : NULL, "stored");
}

/* RFC 5257 section 4.5. */
static void store_annotations(struct imapd_session *s, struct imap_store *args, const struct imapd_picked *p)
{
    struct uids failed = {0};
    uint64_t *before = ar_array(&s->a, uint64_t, p->n);
    if (!imapd_may_annotate(s, &args->annotations, p)) return;
    if (args->conditional) imapd_condstore(s);
    for (size_t k = 0; k < p->n; k++, imapd_breathe(k)) before[k] = view_at(s->view, p->at[k]).flags;
    int e = imapd_annotate(s, args, p, &failed);
    s->news = true;
    imapd_sync(s);
    if (s->over) return;
    if (e) {
        imapd_annotate_failed(s, e);
        return;
    }
    args->silent = true;
    tell_stored(s, args, p, before, failed);
    answer_stored(s, p, failed);
}

void imapd_cmd_store(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_picked p;
    struct uids failed = {0};
    struct imap_flags rest;
    imap_sp(in);
    struct imap_set set = imap_set(in);
    imap_sp(in);
    struct imap_store args = imap_store_args(in);
    if (imapd_args_bad(s, in) || (args.annotates ? only_looked_at(s) : only_to_read(s)) ||
        !imapd_pick(s, set, !args.conditional, &p))
        return;
    if (args.annotates) {
        store_annotations(s, &args, &p);
        return;
    }
    if (!allowed(s, &args, &rest)) return;
    if (args.conditional) imapd_condstore(s);
    struct imap_store away = {.op = '-', .flags = rest};
    int e = rest.system || rest.n ? store_flags(s, &away, &p, &failed) : 0;
    if (!e) e = store_flags(s, &args, &p, &failed);
    s->news = true;
    imapd_sync(s);
    if (s->over) return;
    if (e) {
        imapd_failed(s, e);
        return;
    }
    if (args.op != '-') imapd_learn_marked(s, &args.flags, p.uid, p.n);
    for (size_t k = 0; k < p.n; k++) imapd_gone_flags(s, p.at[k], op_of(&args), imapd_flags(s, &args.flags));
    tell_stored(s, &args, &p, NULL, failed);
    answer_stored(s, &p, failed);
}

/* ---- copy and move ---- */

static char *copyuid_code(struct imapd_session *s, const struct message_copied *c)
{
    struct buf b = BUF_INIT;
    buf_printf(&b, "COPYUID %u ", c->uidvalidity);
    imap_put_set(&b, c->from, c->n);
    buf_char(&b, ' ');
    imap_put_set(&b, c->to, c->n);
    char *code = ar_cstr(&s->a, buf_slice(&b));
    buf_free(&b);
    return code;
}

/* Flags that may not be set in the mailbox the copies came to are not kept (RFC 4314 section 4). */
static int clear_forbidden(struct imapd_session *s, const struct imapd_place *to,
                           const struct message_copied *c)
{
    uint64_t forbidden = ~imapd_may_flag(to->rights);
    struct flags_change change = {.op = FLAGS_REMOVE,
                                  .bits = forbidden & (((uint64_t)1 << FLAG_KEYWORD_FIRST) - 1)};
    if (!forbidden) return 0;
    if (forbidden >> FLAG_KEYWORD_FIRST) change.keyword = to->m.keyword, change.n = to->m.nkeywords;
    return message_flags(s->server->conf.store, (struct mailbox_ref){.account = to->account, .box = to->m.id},
                         (struct uids){c->to, c->n}, &change, &s->a, NULL);
}

static int copy_within(struct imapd_session *s, const struct imapd_picked *p, const struct imapd_place *place,
                       bool move, struct message_copied *out)
{
    struct mailbox_ref from = imapd_box(s);
    struct mailbox_guest guest;
    uint32_t to = place->m.id;
    struct imapd_need here = {from.box, move ? ACL_READ | ACL_MARK | ACL_EXPUNGE : ACL_READ};
    from.guest = imapd_guest(s, from.account, here, (struct imapd_need){to, ACL_INSERT});
    if (from.guest) {
        guest = *from.guest;
        guest.keeps = (place->rights & ACL_ANNOTATE ? REMARKS_SHARED : 0) |
                      (place->rights & ACL_READ ? REMARKS_OWN : 0);
        from.guest = &guest;
    }
    return message_copy(s->server->conf.store, from, (struct uids){p->uid, p->n}, to, move, &s->a, out);
}

/* Messages of the client's that are gone elsewhere are never passed over without a word. By UID they are no
 * error (RFC 9051 section 6.4.9), and some may have been copied. */
static void tell_copied(struct imapd_session *s, const struct imapd_picked *p, const struct message_copied *c,
                        bool move)
{
    bool gone = p->missing || c->n < p->n;
    const char *code = c->n ? copyuid_code(s, c) : NULL;
    if (gone && c->n && s->uid) {
        buf_str(&s->out, "* OK [EXPUNGEISSUED] some of these messages are gone\r\n");
        imapd_flush(s);
    }
    if (c->n && move) { /* RFC 6851 section 4.3: before the EXPUNGEs */
        buf_printf(&s->out, "* OK [%s] moved\r\n", code);
        imapd_flush(s);
        code = imapd_modseq_code(s);
    }
    if (!gone) imapd_ok(s, code, move ? "moved" : "copied");
    else if (!s->uid && (p->missing || !c->n))
        imapd_no(s, "EXPUNGEISSUED", "some of these messages were gone");
    else if (!c->n)
        imapd_ok(s, "EXPUNGEISSUED", "these messages are gone, there is none to %s", move ? "move" : "copy");
    else imapd_ok(s, code, "%s but those that are gone", move ? "moved" : "copied");
}

static void copy(struct imapd_session *s, struct imap_in *in, bool move)
{
    struct imapd_picked p;
    struct imapd_place to;
    imap_sp(in);
    struct imap_set set = imap_set(in);
    imap_sp(in);
    struct slice name = imap_mailbox(in);
    if (imapd_args_bad(s, in) || (move && only_to_read(s))) return;
    s->news = true; /* what is gone elsewhere is no message to copy */
    imapd_sync(s);
    if (s->over || !imapd_pick(s, set, false, &p)) return;
    if (p.cut) { /* RFC 9738: all or none */
        imapd_no(s, ar_cstr(&s->a, ar_printf(&s->a, "MESSAGELIMIT %u", s->server->conf.messages_max)),
                 "these are more messages than one command may take");
        return;
    }
    if (p.missing && !s->uid && !move) { /* all or none (RFC 9051 section 6.4.7) */
        imapd_no(s, "EXPUNGEISSUED", "some of these messages are gone");
        return;
    }
    if (move && lacks(s, ACL_MARK | ACL_EXPUNGE)) return;
    int e = imapd_find(s, name, ACL_INSERT, &to);
    if (e == ERR_NOT_FOUND) imapd_no(s, "TRYCREATE", "there is no such mailbox");
    else if (e) imapd_failed(s, e);
    if (e) return;
    struct message_copied c = {0};
    bool across = strcmp(to.account, s->view->acc) != 0;
    if (p.n && across) e = imapd_copy_across(s, &p, &to, move, &c);
    else if (p.n) e = copy_within(s, &p, &to, move, &c);
    if (!e && c.n && !across) e = clear_forbidden(s, &to, &c);
    s->news = true;
    if (e) {
        imapd_failed(s, e);
        return;
    }
    if (!across) imapd_learn_moved(s, &to.m, &c);
    tell_copied(s, &p, &c, move);
}

void imapd_cmd_copy(struct imapd_session *s, struct imap_in *in) { copy(s, in, false); }
void imapd_cmd_move(struct imapd_session *s, struct imap_in *in) { copy(s, in, true); }

/* ---- expunge ---- */

void imapd_cmd_expunge(struct imapd_session *s, struct imap_in *in)
{
    struct imapd_picked p = {0};
    struct imap_set set = {0};
    if (s->uid) {
        imap_sp(in);
        set = imap_set(in);
    }
    if (imapd_args_bad(s, in) || only_to_read(s) || lacks(s, ACL_EXPUNGE)) return;
    if (s->uid && !imapd_pick(s, set, false, &p)) return;
    int e = 0;
    if (!s->uid || p.n)
        e = message_expunge(s->server->conf.store, imapd_acting(s, s->view->acc, s->view->box, ACL_EXPUNGE),
                            (struct uids){s->uid ? p.uid : NULL, p.n}, true, &s->a, NULL);
    s->news = true;
    if (e) imapd_failed(s, e);
    else if (p.cut) imapd_ok(s, imapd_limit_code(s, p.cut), "expunged as many as one command may");
    else imapd_ok(s, imapd_modseq_code(s), "expunged"); /* RFC 7162 section 3.2.7 */
}
