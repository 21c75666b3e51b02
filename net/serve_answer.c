/* Answers and errors, worded as Appwrite 1.8.1 words them. */
#include "net/serve_state.h"

#include <stdio.h>
#include <string.h>

const struct avj_spelling avj_spelling_databases = {
    .row = "document",
    .Row = "Document",
    .rows = "documents",
    .table = "collection",
    .Table = "Collection",
    .row_id = "documentId",
    .table_id = "collectionId",
    .table_key = "$collectionId",
    .base = "databases",
};
const struct avj_spelling avj_spelling_tablesdb = {
    .row = "row",
    .Row = "Row",
    .rows = "rows",
    .table = "table",
    .Table = "Table",
    .row_id = "rowId",
    .table_id = "tableId",
    .table_key = "$tableId",
    .base = "tablesdb",
};

struct avj_text *avj_answer(struct avj_call *call, int status)
{
    struct avj_serve_response *response = call->response;
    avj_text_reset(&response->body);
    response->status = status;
    response->type = "application/json; charset=UTF-8";
    call->done = true;
    return &response->body;
}

void avj_answer_empty(struct avj_call *call, int status)
{
    (void)avj_answer(call, status);
    call->response->type = "text/html";
}

void avj_answer_error(struct avj_call *call, int status, const char *type, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    struct avj_text *body = avj_answer(call, status);
    avj_text_puts(body, "{\"message\":");
    avj_text_json_cstr(body, message);
    avj_text_printf(body, ",\"code\":%d,\"type\":\"%s\",\"version\":\"" AVJ_SERVE_VERSION "\"}",
                    status, type);
}

void avj_answer_row_error(struct avj_call *call, int status, const char *what, const char *text)
{
    char type[64];
    struct avj_text message = {0};
    (void)snprintf(type, sizeof(type), "%s_%s", call->spelling->row, what);
    while (*text) {
        if (strncmp(text, "{Row}", 5) == 0 || strncmp(text, "{row}", 5) == 0) {
            avj_text_puts(&message, text[1] == 'R' ? call->spelling->Row : call->spelling->row);
            text += 5;
        } else {
            avj_text_add(&message, text++, 1);
        }
    }
    avj_answer_error(call, status, type, "%s", message.data ? message.data : "");
    avj_text_release(&message);
}

void avj_answer_unauthorized(struct avj_call *call)
{
    avj_answer_error(call, 401, "user_unauthorized",
                     "The current user is not authorized to perform the requested action.");
}

void avj_answer_not_found(struct avj_call *call)
{
    avj_answer_row_error(call, 404, "not_found", "{Row} with the requested ID could not be found.");
}

void avj_answer_server_error(struct avj_call *call)
{
    avj_answer_error(call, 500, "general_unknown", "Server Error");
}

void avj_answer_storage_error(struct avj_call *call, enum avj_status status)
{
    if (status == AVJ_ETOOBIG)
        avj_answer_error(call, 400, "general_bad_request",
                         "The change is too large to be stored at once. Send it in smaller parts.");
    else
        avj_answer_server_error(call);
}
