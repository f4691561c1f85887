"""The main job in fifteen seconds: generate a wrapper, run three servers, kill one, bring it back."""
