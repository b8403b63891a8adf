/* cmd_webhook.c - webhook add, list, remove, resume: where events of accounts are told to. */
#include "base/civil.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd.h"
#include "core/core.h"
#include "send/event.h"
#include "send/webhook.h"
#include "store/store.h"

static int whose(struct request *r, struct account *acc)
{
    return account_get(r->core->store->directory, r->a, arg_slice(r->args, "account"), acc);
}

static int kinds_of(struct slice list, unsigned *out)
{
    struct slice word;
    *out = 0;
    while (list.n && sl_next(&list, ',', &word)) {
        int k = EVENT_NONE + 1;
        while (k < EVENT_KIND_COUNT && !sl_eq(word, sl_cstr(event_word((enum event_kind)k)))) k++;
        if (k == EVENT_KIND_COUNT) return err_set(ERR_USAGE, "%.*s is no kind of event", SLF(word));
        *out |= 1u << k;
        if (k == EVENT_UNSUBSCRIBED) *out |= WEBHOOK_LEFT_GROUP;
    }
    return 0;
}

int run_webhook_add(struct request *r)
{
    struct account acc;
    struct slice key, name = arg_slice(r->args, "name");
    struct webhook h = {.name = name.n ? name : SL("default"), .url = arg_slice(r->args, "url")};
    int e = whose(r, &acc);
    if (!e) e = kinds_of(arg_slice(r->args, "events"), &h.kinds);
    if (e) return e;
    h.account = sl_cstr(acc.id);
    e = webhook_add(r->core->sends, &h, r->a, &key);
    if (!e) reply_text(r->reply, "public_key", key);
    return e;
}

void print_webhook_add(json_t *args, json_t *reply, struct buf *out)
{
    buf_printf(out, "%s\n", arg_text(reply, "public_key"));
    buf_printf(out, "Events of %s are told to %s; the key above proves that they come from here.\n",
               arg_text(args, "account"), arg_text(args, "url"));
}

static int list_webhook(void *r, const struct webhook *h)
{
    json_t *o = json_object();
    struct arena a = {0};
    reply_text(o, "account", h->account);
    reply_text(o, "name", h->name);
    reply_text(o, "url", h->url);
    reply_text(o, "after", event_id_text(h->after, &a));
    json_object_set_new(o, "off", json_boolean(h->off));
    json_object_set_new(o, "paused", json_boolean(h->paused));
    reply_int(o, "failing", h->failing);
    reply_int(o, "next", h->next);
    reply_text(o, "why", h->why);
    reply_text(o, "public_key", h->public_key);
    ar_free(&a);
    return reply_row(r, o);
}

int run_webhook_list(struct request *r)
{
    struct account acc;
    int e = account_if_named(r, &acc);
    return e ? e : webhook_each(r->core->sends, sl_cstr(acc.id), list_webhook, r);
}

void print_row_webhook_list(json_t *args, json_t *row, size_t i, struct buf *out)
{
    struct arena a = {0};
    char since[CIVIL_TEXT_MAX], next[CIVIL_TEXT_MAX];
    int64_t failing = arg_number(row, "failing");
    (void)args, (void)i;
    buf_printf(out, "%-12s %.*s", arg_text(row, "name"), SLF(printable(&a, arg_slice(row, "url"), 300)));
    if (arg_flag(row, "off")) buf_str(out, "  off");
    if (failing)
        buf_printf(out, "  %s since %s: %.*s", arg_flag(row, "paused") ? "paused, fails" : "fails",
                   civil_format(failing, since), SLF(printable(&a, arg_slice(row, "why"), 300)));
    if (failing && !arg_flag(row, "paused"))
        buf_printf(out, "; tried again at %s", civil_format(arg_number(row, "next"), next));
    buf_char(out, '\n');
    ar_free(&a);
}

void print_webhook_list(json_t *args, json_t *reply, struct buf *out)
{
    (void)args;
    if (json_object_get(reply, "webhooks")) buf_str(out, "There is no webhook.\n");
}

int run_webhook_remove(struct request *r)
{
    struct account acc;
    int e = whose(r, &acc);
    return e ? e : webhook_remove(r->core->sends, sl_cstr(acc.id), arg_slice(r->args, "name"));
}

void print_webhook_remove(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "No more events are told to %s.\n", arg_text(args, "name"));
}

int run_webhook_resume(struct request *r)
{
    struct account acc;
    uint64_t after = 0;
    struct slice from = arg_slice(r->args, "after");
    int e = whose(r, &acc);
    if (!e && from.n && !num_hex64(from, &after))
        e = err_set(ERR_USAGE, "%.*s is no id of an event", SLF(from));
    return e ? e : webhook_resume(r->core->sends, sl_cstr(acc.id), arg_slice(r->args, "name"), after);
}

void print_webhook_resume(json_t *args, json_t *reply, struct buf *out)
{
    (void)reply;
    buf_printf(out, "%s goes on.\n", arg_text(args, "name"));
}
