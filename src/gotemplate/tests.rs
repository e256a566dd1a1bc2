//! Small templates, and what they print or say.

use super::*;
