/* cmd_completion.c - what a shell needs to complete the words of a command line, made from the table. */
#include "cmd.h"

struct shell {
    const char *head, *open, *close, *tail; /* words that may follow stand between open and close */
};

/* `local` and `case` over the words before the one that is completed, without -C DIR. */
static const struct shell bash = {"# bash completion of tram(1), made by `tram completion bash`\n"
                                  "_tram() {\n"
                                  "    local word=${COMP_WORDS[COMP_CWORD]} said= may= i\n"
                                  "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                                  "        [[ ${COMP_WORDS[i]} == -C ]] && { ((i++)); continue; }\n"
                                  "        said+=${said:+ }${COMP_WORDS[i]}\n"
                                  "    done\n"
                                  "    if [[ ${COMP_WORDS[COMP_CWORD-1]} == -C ]]; then\n"
                                  "        COMPREPLY=($(compgen -d -- \"$word\"))\n"
                                  "        return\n"
                                  "    fi\n"
                                  "    case \"$said\" in\n",
                                  "may=\"", "\"",
                                  "    esac\n"
                                  "    COMPREPLY=($(compgen -W \"$may\" -- \"$word\"))\n"
                                  "}\n"
                                  "complete -o default -F _tram tram\n"},
                          zsh = {"#compdef tram\n"
                                 "# zsh completion of tram(1), made by `tram completion zsh`\n"
                                 "local said= i\n"
                                 "for ((i = 2; i < CURRENT; i++)); do\n"
                                 "    [[ $words[i] == -C ]] && { ((i++)); continue; }\n"
                                 "    said+=${said:+ }$words[i]\n"
                                 "done\n"
                                 "[[ $words[CURRENT-1] == -C ]] && { _files -/; return; }\n"
                                 "case \"$said\" in\n",
                                 "compadd --", "",
                                 "esac\n"
                                 "_files\n"};

static struct slice take_word(struct slice *rest)
{
    size_t end = sl_find(*rest, SL(" "));
    struct slice word = sl_sub(*rest, 0, end == SL_NONE ? rest->n : end);
    *rest = end == SL_NONE ? SL("") : sl_sub(*rest, end + 1, rest->n);
    return word;
}

/* The first words of all commands; of those whose first word it is, the second. Those of one first word
 * stand together in the table. */
static void put_words(struct buf *out, json_t *table, struct slice first)
{
    struct slice last = SL("");
    size_t i;
    json_t *c;
    json_array_foreach(table, i, c) {
        struct slice name = arg_slice(c, "name"), word = take_word(&name);
        if (first.n && !sl_eq(word, first)) continue;
        if (first.n) word = take_word(&name);
        if (word.n && !sl_eq(word, last)) buf_printf(out, " %.*s", SLF(word));
        last = word;
    }
}

static void put_options(struct buf *out, json_t *command)
{
    size_t i;
    json_t *g;
    json_array_foreach(json_object_get(command, "args"), i, g) {
        const char *name = arg_text(g, "name");
        if (strcmp(arg_text(g, "from"), "option") == 0) buf_printf(out, " %s%s", name[1] ? "--" : "-", name);
        if (strcmp(arg_text(g, "from"), "word") == 0) buf_printf(out, " %s", arg_text(g, "words"));
    }
    buf_str(out, " --json --help");
}

static void put_command(struct buf *out, const struct shell *sh, json_t *table, json_t *c, struct slice *last)
{
    struct slice name = arg_slice(c, "name"), all = name, first = take_word(&name);
    if (name.n && !sl_eq(first, *last)) {
        buf_printf(out, "    \"%.*s\") %s", SLF(first), sh->open);
        put_words(out, table, first);
        buf_printf(out, "%s ;;\n", sh->close);
    }
    *last = first;
    buf_printf(out, "    \"%.*s\"|\"%.*s \"*) %s", SLF(all), SLF(all), sh->open);
    put_options(out, c);
    buf_printf(out, "%s ;;\n", sh->close);
}

void print_completion(json_t *args, json_t *reply, struct buf *out)
{
    const struct shell *sh = strcmp(arg_text(args, "shell"), "zsh") == 0 ? &zsh : &bash;
    struct slice last = SL("");
    size_t i;
    json_t *list = json_object_get(reply, "commands"), *c;
    buf_printf(out, "%s    \"\") %s", sh->head, sh->open);
    put_words(out, list, last);
    buf_printf(out, "%s ;;\n", sh->close);
    json_array_foreach(list, i, c) put_command(out, sh, list, c, &last);
    buf_str(out, sh->tail);
}
