// How a folder's pages look: the console's tokens as far as a printed page needs them. No font, image or script is fetched from anywhere.

export const STYLE = `
:root{color-scheme:light dark;
--bg:light-dark(#f5f7f7,#0e1214);--surface:light-dark(#fff,#14191c);--sunken:light-dark(#f4f6f6,#0f1416);--line:light-dark(#e1e6e8,#262e33);--line-strong:light-dark(#7d888f,#6b7881);
--ink:light-dark(#13191c,#e9edef);--ink-2:light-dark(#454f56,#b0bac1);--ink-3:light-dark(#5d6870,#8f9ba3);--accent:light-dark(#0b5f70,#74c7d6);--focus:light-dark(#0b5f70,#8fdbe8);
--critical:light-dark(#ad1f1a,#ff9088);--critical-soft:light-dark(#fcebe9,#35191a);--high:light-dark(#9c4200,#ffb072);--high-soft:light-dark(#fdeee0,#32210f);
--ok:light-dark(#176339,#7fd19d);--ok-soft:light-dark(#e5f3ea,#11291c);--low-soft:light-dark(#edf1f4,#1c242b);--ctl-bg:light-dark(#13191c,#ffe27a);--ctl-ink:light-dark(#fff,#201a00);
--font:Inter,-apple-system,BlinkMacSystemFont,"Segoe UI",system-ui,sans-serif;--mono:"JetBrains Mono",ui-monospace,"SF Mono","Cascadia Mono",Consolas,"DejaVu Sans Mono",monospace}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:400 .8125rem/1.45 var(--font);font-variant-numeric:tabular-nums}
main,header.top,footer{max-width:1360px;margin:0 auto;padding:0 24px}
header.top{padding-top:28px}
h1{font-size:1.75rem;line-height:1.2;font-weight:600;margin:10px 0 4px}h2{font-size:1.25rem;line-height:1.3;font-weight:600;margin:40px 0 4px;scroll-margin-top:12px}h3{font-size:1rem;font-weight:600;margin:24px 0 8px}
p{margin:4px 0 10px;max-width:82ch}.lead{color:var(--ink-2);font-size:.875rem}.note,.more{color:var(--ink-3)}.more{font-style:normal}
a{color:var(--accent)}a:focus-visible,[tabindex]:focus-visible{outline:2px solid var(--focus);outline-offset:2px}
code,.mono{font-family:var(--mono);font-size:.75rem;font-variant-ligatures:none;font-feature-settings:"zero";overflow-wrap:break-word}
.brand{display:flex;align-items:center;gap:8px;color:var(--ink-2);font-weight:600}.brand svg{width:18px;height:18px}
.alert{border-radius:10px;padding:14px 16px;margin:18px 0;border-left:4px solid;max-width:none}.alert p{max-width:none;margin:2px 0}.alert b{font-weight:600}
.alert.critical{background:var(--critical-soft);border-color:var(--critical)}.alert.critical b{color:var(--critical);font-size:1rem}
.alert.high{background:var(--high-soft);border-color:var(--high)}.alert.high b{color:var(--high)}.alert.ok{background:var(--ok-soft);border-color:var(--ok)}.alert.ok b{color:var(--ok)}
nav ol{list-style:none;margin:16px 0 0;padding:0;display:flex;flex-wrap:wrap;gap:6px 18px}
.tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(148px,1fr));gap:1px;background:var(--surface);border:1px solid var(--line);border-radius:10px;overflow:hidden;margin:12px 0}
.tiles div{box-shadow:0 0 0 1px var(--line);padding:12px 14px}.tiles dt{color:var(--ink-2);font-size:.75rem}.tiles dd{margin:2px 0 0;font-size:1.25rem;font-weight:600}
dl.facts{display:grid;grid-template-columns:max-content 1fr;gap:6px 18px;margin:10px 0;background:var(--surface);border:1px solid var(--line);border-radius:10px;padding:14px 16px}
dl.facts dt{color:var(--ink-2)}dl.facts dd{margin:0;overflow-wrap:anywhere}
.wrap{overflow-x:auto;background:var(--surface);border:1px solid var(--line);border-radius:10px;margin:10px 0}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:8px 12px;border-top:1px solid var(--line)}thead th{border-top:0;font-size:.75rem;font-weight:500;color:var(--ink-2);white-space:nowrap}
td.num,th.num{text-align:right}td small,dd small{display:block;color:var(--ink-3);font-size:.75rem}td.t{white-space:nowrap}td .shape{display:block;max-height:none;min-width:22ch;max-width:64ch;white-space:pre-wrap}
td .shape,td .obj code,td pre,td small .mono{overflow-wrap:anywhere}td .obj{display:inline-block;margin-right:8px}pre{font-family:var(--mono);font-size:.75rem;background:var(--sunken);border:1px solid var(--line);border-radius:6px;padding:8px 10px;margin:6px 0;white-space:pre-wrap;overflow-wrap:anywhere;max-width:80ch;unicode-bidi:isolate;direction:ltr}
.pill{display:inline-block;border-radius:4px;padding:1px 6px;font-size:.75rem;font-weight:500;background:var(--low-soft);color:var(--ink-2);white-space:nowrap}
.pill.ok{background:var(--ok-soft);color:var(--ok)}.pill.critical{background:var(--critical-soft);color:var(--critical)}.pill.high{background:var(--high-soft);color:var(--high)}
.ctl,.glyph{background:var(--ctl-bg);color:var(--ctl-ink);border-radius:3px;padding:1px 4px;margin:0 1px;font:600 .6875rem/1 var(--font);white-space:nowrap;user-select:none}.glyph{font:inherit;font-weight:700;user-select:auto}
.none{background:var(--surface);border:1px dashed var(--line-strong);border-radius:10px;padding:12px 16px;color:var(--ink-2)}
footer{color:var(--ink-3);padding-top:32px;padding-bottom:48px}
@media (max-width:760px){main,header.top,footer{padding-left:14px;padding-right:14px}h1{font-size:1.375rem}dl.facts{grid-template-columns:1fr;gap:2px}dl.facts dd{margin-bottom:8px}
.wrap{border:0;background:none;overflow:visible}table,tbody,tr,td{display:block;width:100%}thead{display:none}tr{background:var(--surface);border:1px solid var(--line);border-radius:10px;margin:0 0 10px;padding:6px 0}
td{border:0;padding:4px 14px}td::before{content:attr(data-l);display:block;color:var(--ink-2);font-size:.75rem}td.num{text-align:left}td:empty{display:none}td .shape{min-width:0;max-width:none}td.t{white-space:normal}}
@media print{:root{color-scheme:light}body{background:#fff;font-size:9pt}main,header.top,footer{max-width:none;padding:0}.wrap,dl.facts,.tiles{overflow:visible;border-color:#bbb}thead{display:table-header-group}tr,.tiles div,.alert{break-inside:avoid}h2,h3{break-after:avoid}nav{display:none}.alert,.pill,.ctl,.glyph{print-color-adjust:exact}a{color:inherit;text-decoration:none}@page{size:A4 landscape;margin:12mm}}
@media (forced-colors:active){.ctl,.glyph{forced-color-adjust:none}}
`;
