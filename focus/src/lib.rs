//! The focus of RFC 4353: conferences, policy, who is in and who may.
