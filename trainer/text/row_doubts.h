// What a row, a text or a label looks like where it is well formed and yet may not be meant as it
// stands: rejected by its annotator, a word for a missing value, a number written in two ways,
// leftovers of HTML, characters that a conversion damaged. No state: any thread may call.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "trainer/contract/row_shape.h"

namespace graft {

// ---- What other members or columns say of the row ----------------------------------------------

enum class RowMark { none, rejected, perhaps_discarded };

// A member or column of that name may say it.
bool may_mark(std::string_view name);

// rejected: "answer" is reject or ignore, "was_cancelled" is true, as annotation tools write it;
// perhaps_discarded: "status" is discarded. Case and blanks at the ends do not matter.
RowMark mark_of(std::string_view name, std::string_view value);

// The refusal of a rejected row.
RowFault rejected_row(std::string_view name, std::string_view value);

// ---- Words and numbers -------------------------------------------------------------------------

// The whole of it is a word for a missing value, such as nan, NULL, N/A, \N, #N/A or a dash.
bool is_missing_word(std::string_view text);

// The number that the whole of it writes, in one way for all ways of writing it: 1, 01, +1, 1.0,
// 1,0 and 1e0 are the same. nullopt: it is no number, or 1,000, which may be one or a thousand.
std::optional<std::string> number_of(std::string_view label);

// ---- Texts -------------------------------------------------------------------------------------

bool has_html_entity(std::string_view text);  // &amp; &#39; &eacute; …
bool has_html_tag(std::string_view text);     // <br /> </p> …
bool has_damage(std::string_view text);       // U+FFFD, UTF-8 that was once read as Latin-1 (Ã©)

}  // namespace graft
