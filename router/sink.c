#include "router/sink.h"

enum er_code er_sink_code(enum er_sink_result result)
{
    static const enum er_code codes[ER_SINK_RESULTS] = {
        [ER_SINK_TOO_LARGE] = ER_E_RECORD_TOO_LARGE,  [ER_SINK_TIMESTAMP] = ER_E_RECORD_INVALID,
        [ER_SINK_INVALID] = ER_E_RECORD_INVALID,      [ER_SINK_MISSING] = ER_E_DESTINATION_MISSING,
        [ER_SINK_REFUSED] = ER_E_DESTINATION_REFUSED,
    };

    return codes[result] == ER_OK ? ER_E_KAFKA : codes[result];
}
